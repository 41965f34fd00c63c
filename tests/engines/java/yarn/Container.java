import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

import org.apache.hadoop.io.DataInputByteBuffer;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.token.Token;
import org.apache.hadoop.yarn.api.records.ContainerId;
import org.apache.hadoop.yarn.api.records.ContainerLaunchContext;
import org.apache.hadoop.yarn.api.records.LocalResource;
import org.apache.hadoop.yarn.api.records.LocalResourceType;
import org.apache.hadoop.yarn.security.AMRMTokenIdentifier;

/** A container on this host, in a folder of its own. It outlives the ResourceManager. */
class Container {
    private static final int COULD_NOT_LAUNCH = -1000;

    static void launch(Application application, Token<AMRMTokenIdentifier> token) throws IOException {
        Path folder = application.container();
        Files.createDirectories(folder.resolve("tmp"));
        ContainerLaunchContext context = application.context.getAMContainerSpec();
        try {
            for (Map.Entry<String, LocalResource> each : context.getLocalResources().entrySet()) {
                localize(each.getValue(), folder.resolve(each.getKey()));
            }
        } catch (IOException problem) {
            Files.writeString(folder.resolve("stderr"), problem.toString());
            Files.writeString(folder.resolve("exit"), "" + COULD_NOT_LAUNCH);
            return;
        }
        writeTokens(context.getTokens(), token, folder.resolve("tokens"));
        StringBuilder script = new StringBuilder("echo $$ > pid.part; mv pid.part pid\n");
        environment(application, folder).forEach((name, value) -> script.append("export ").append(name)
                .append("=\"").append(value.replaceAll("([\"`])", "\\\\$1")).append("\"\n"));
        String commands = String.join(" ", context.getCommands());
        script.append("( exec /bin/bash -c \"").append(expanded(commands, folder)).append("\" )\n");
        script.append("echo $? > exit.part; mv exit.part exit\n");
        Files.writeString(folder.resolve("launch.sh"), script);
        new ProcessBuilder("setsid", "bash", "launch.sh").directory(folder.toFile())
                .redirectInput(new File("/dev/null"))
                .redirectOutput(folder.resolve("launch.log").toFile()).redirectErrorStream(true).start();
        while (!wasLaunched(folder)) {
            Thread.onSpinWait();
        }
    }

    static boolean wasLaunched(Path folder) {
        return Files.exists(folder.resolve("pid")) || Files.exists(folder.resolve("exit"));
    }

    /** How it has ended; null: it has not. */
    static Integer exitStatus(Path folder) throws IOException {
        Path exit = folder.resolve("exit");
        return Files.exists(exit) ? Integer.valueOf(Files.readString(exit).strip()) : null;
    }

    static void kill(Path folder) {
        try {
            if (exitStatus(folder) == null && Files.exists(folder.resolve("pid"))) {
                String pid = Files.readString(folder.resolve("pid")).strip();
                new ProcessBuilder("kill", "-KILL", "--", "-" + pid).start().waitFor();
                Files.writeString(folder.resolve("exit"), "137");
            }
        } catch (IOException | InterruptedException problem) {
            problem.printStackTrace();
        }
    }

    private static Map<String, String> environment(Application application, Path folder) {
        Map<String, String> environment = new TreeMap<>();
        environment.put("CONTAINER_ID", ContainerId.newContainerId(application.attemptId(), 1).toString());
        environment.put("NM_HOST", "127.0.0.1");
        environment.put("NM_PORT", "0");
        environment.put("NM_HTTP_PORT", "0");
        environment.put("LOCAL_DIRS", folder + "/local");
        environment.put("LOG_DIRS", folder.toString());
        environment.put("USER", application.user);
        environment.put("HADOOP_CONF_DIR", System.getenv("HADOOP_CONF_DIR"));
        environment.put("JAVA_HOME", System.getProperty("java.home"));
        environment.put("HADOOP_TOKEN_FILE_LOCATION", folder + "/tokens");
        environment.put("APP_SUBMIT_TIME_ENV", "" + application.started);
        environment.put("APPLICATION_WEB_PROXY_BASE", "/proxy/" + application.id);
        application.context.getAMContainerSpec().getEnvironment()
                .forEach((name, value) -> environment.put(name, expanded(value, folder)));
        return environment;
    }

    private static String expanded(String text, Path folder) {
        return text.replace("<LOG_DIR>", folder.toString()).replace("<CPS>", ":")
                .replace("{{", "$").replace("}}", "");
    }

    private static void writeTokens(ByteBuffer given, Token<AMRMTokenIdentifier> own, Path file)
            throws IOException {
        Credentials credentials = new Credentials();
        if (given != null) {
            DataInputByteBuffer bytes = new DataInputByteBuffer();
            bytes.reset(given.duplicate());
            credentials.readTokenStorageStream(bytes);
        }
        credentials.addToken(own.getService(), own);
        try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(file))) {
            credentials.writeTokenStorageToStream(out);
        }
    }

    /** Only files of this host; as on a real node they must be those that were submitted. */
    private static void localize(LocalResource resource, Path place) throws IOException {
        Path source = Path.of(URI.create("file://" + resource.getResource().getFile()).getPath());
        long changed = Files.getLastModifiedTime(source).toMillis();
        if (changed != resource.getTimestamp()) {
            throw new IOException("Resource " + source + " changed on src filesystem - expected: "
                    + resource.getTimestamp() + ", was: " + changed);
        }
        if (resource.getType() == LocalResourceType.ARCHIVE) {
            unpack(source, place);
        } else {
            Files.createSymbolicLink(place, source);
        }
    }

    private static void unpack(Path source, Path folder) throws IOException {
        Files.createDirectories(folder);
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(source))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                Path file = folder.resolve(entry.getName());
                if (entry.isDirectory()) {
                    Files.createDirectories(file);
                } else {
                    Files.createDirectories(file.getParent());
                    Files.copy(zip, file);
                }
            }
        }
    }
}
