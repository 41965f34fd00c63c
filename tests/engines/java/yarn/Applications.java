import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.hadoop.yarn.api.records.ApplicationId;
import org.apache.hadoop.yarn.api.records.ApplicationSubmissionContext;
import org.apache.hadoop.yarn.api.records.FinalApplicationStatus;
import org.apache.hadoop.yarn.api.records.YarnApplicationState;

/** All applications, and what becomes of them. */
class Applications {
    private static final int MAX_ATTEMPTS = 2;
    private static final int KILLED = 137;

    /** Begins with each start, as a real ResourceManager's does: ids are never given twice. */
    final long clusterTimestamp = System.currentTimeMillis();

    private final Path folder;
    private final Secrets secrets;
    private final AtomicInteger last = new AtomicInteger();
    private final Map<String, Application> known = new ConcurrentSkipListMap<>();
    private volatile boolean recovered;

    Applications(Path folder, Secrets secrets) {
        this.folder = folder.resolve("applications");
        this.secrets = secrets;
    }

    void recover() throws IOException {
        Files.createDirectories(folder);
        try (var folders = Files.list(folder)) {
            for (Path each : (Iterable<Path>) folders::iterator) {
                if (Files.exists(each.resolve("state"))) {
                    Application application = Application.read(each);
                    if (application.attempt > 0 && !Container.wasLaunched(application.container())) {
                        application.attempt--; // the ResourceManager was killed just before
                    }
                    known.put(application.id.toString(), application);
                }
            }
        }
        recovered = true;
    }

    /** Until then it knows none, although it answers; as a real one does it says so only when asked. */
    String haState() {
        return recovered ? "ACTIVE" : "INITIALIZING";
    }

    ApplicationId next() {
        return ApplicationId.newInstance(clusterTimestamp, last.incrementAndGet());
    }

    Application get(String id) {
        return known.get(id);
    }

    Collection<Application> all() {
        return known.values();
    }

    /** Take an application; one that is known already is left as it is. */
    synchronized void submit(ApplicationSubmissionContext context, String user) throws IOException {
        String id = context.getApplicationId().toString();
        if (!known.containsKey(id)) {
            Application application = new Application(folder.resolve(id), context, user);
            application.save();
            known.put(id, application);
        }
    }

    void kill(Application application) throws IOException {
        synchronized (application) {
            if (!application.hasEnded()) {
                Container.kill(application.container());
                String because = "Application " + application.id + " was killed by a user";
                application.end(YarnApplicationState.KILLED, FinalApplicationStatus.KILLED, because);
                application.save();
            }
        }
    }

    /** Launch what is new, and look after what runs, for ever. */
    void watch() throws InterruptedException {
        while (true) {
            for (Application application : known.values()) {
                try {
                    synchronized (application) {
                        look(application);
                    }
                } catch (IOException problem) {
                    problem.printStackTrace();
                }
            }
            Thread.sleep(20);
        }
    }

    void killContainers() {
        known.values().forEach(application -> Container.kill(application.container()));
    }

    private void look(Application application) throws IOException {
        if (application.hasEnded()) {
            return;
        }
        if (application.attempt == 0) {
            launch(application);
            return;
        }
        Integer status = Container.exitStatus(application.container());
        if (status == null) {
            return;
        }
        // It has ended without saying how: only finishApplicationMaster tells that.
        if (status != KILLED && application.attempt < maxAttempts(application)) {
            launch(application);
            return;
        }
        String because = "Application " + application.id + " failed " + application.attempt
                + " times due to AM Container for " + application.attemptId() + " exited with  exitCode: "
                + status + "\nFailing this attempt. Failing the application.";
        application.end(YarnApplicationState.FAILED, FinalApplicationStatus.FAILED, because);
        application.save();
    }

    private void launch(Application application) throws IOException {
        application.attempt++;
        application.state = YarnApplicationState.ACCEPTED;
        application.diagnostics = "AM container is launched, waiting for AM container to Register with RM";
        application.save();
        Container.launch(application, secrets.tokenFor(application.attemptId()));
    }

    private static int maxAttempts(Application application) {
        int wanted = application.context.getMaxAppAttempts();
        return wanted > 0 ? Math.min(wanted, MAX_ATTEMPTS) : MAX_ATTEMPTS;
    }
}
