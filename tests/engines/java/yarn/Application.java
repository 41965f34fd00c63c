import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.hadoop.yarn.api.records.ApplicationAttemptId;
import org.apache.hadoop.yarn.api.records.ApplicationId;
import org.apache.hadoop.yarn.api.records.ApplicationReport;
import org.apache.hadoop.yarn.api.records.ApplicationSubmissionContext;
import org.apache.hadoop.yarn.api.records.FinalApplicationStatus;
import org.apache.hadoop.yarn.api.records.YarnApplicationState;
import org.apache.hadoop.yarn.api.records.impl.pb.ApplicationSubmissionContextPBImpl;
import org.apache.hadoop.yarn.proto.YarnProtos.ApplicationSubmissionContextProto;
import org.apache.hadoop.yarn.util.Records;

/** One application, kept in a folder of its own. Whoever changes it holds its lock, and saves it. */
class Application {
    private static final ObjectMapper JSON = new ObjectMapper();

    final Path folder;
    final ApplicationId id;
    final ApplicationSubmissionContext context;
    final Set<String> tags = new TreeSet<>();
    String user;
    YarnApplicationState state = YarnApplicationState.ACCEPTED;
    FinalApplicationStatus finalStatus = FinalApplicationStatus.UNDEFINED;
    String diagnostics = "";
    float progress;
    long started = System.currentTimeMillis();
    long finished;
    int attempt;

    Application(Path folder, ApplicationSubmissionContext context, String user) {
        this.folder = folder;
        this.context = context;
        this.user = user;
        id = context.getApplicationId();
        if (context.getApplicationTags() != null) {
            context.getApplicationTags().forEach(tag -> tags.add(tag.toLowerCase(Locale.ROOT)));
        }
    }

    static Application read(Path folder) throws IOException {
        byte[] bytes = Files.readAllBytes(folder.resolve("context"));
        var context = new ApplicationSubmissionContextPBImpl(ApplicationSubmissionContextProto.parseFrom(bytes));
        ObjectNode kept = (ObjectNode) JSON.readTree(folder.resolve("state").toFile());
        Application application = new Application(folder, context, kept.get("user").asText());
        application.state = YarnApplicationState.valueOf(kept.get("state").asText());
        application.finalStatus = FinalApplicationStatus.valueOf(kept.get("finalStatus").asText());
        application.diagnostics = kept.get("diagnostics").asText();
        application.started = kept.get("startedTime").asLong();
        application.finished = kept.get("finishedTime").asLong();
        application.attempt = kept.get("attempt").asInt();
        application.progress = application.hasEnded() ? 1 : 0;
        return application;
    }

    /** Keep it for the next ResourceManager; it is not known there before this has returned. */
    void save() throws IOException {
        Path context = folder.resolve("context");
        if (!Files.exists(context)) {
            Files.createDirectories(folder);
            write(context, ((ApplicationSubmissionContextPBImpl) this.context).getProto().toByteArray());
        }
        ObjectNode kept = toJson(0);
        kept.put("attempt", attempt);
        write(folder.resolve("state"), JSON.writeValueAsBytes(kept));
    }

    private static void write(Path file, byte[] bytes) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.write(part, bytes);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    boolean hasEnded() {
        return finished > 0;
    }

    void end(YarnApplicationState state, FinalApplicationStatus finalStatus, String diagnostics) {
        this.state = state;
        this.finalStatus = finalStatus;
        this.diagnostics = diagnostics;
        finished = System.currentTimeMillis();
        progress = 1;
    }

    ApplicationAttemptId attemptId() {
        return ApplicationAttemptId.newInstance(id, attempt);
    }

    Path container() {
        return folder.resolve("attempt-" + attempt);
    }

    ApplicationReport report() {
        ApplicationReport report = Records.newRecord(ApplicationReport.class);
        report.setApplicationId(id);
        report.setName(context.getApplicationName());
        report.setUser(user);
        report.setQueue(context.getQueue());
        report.setYarnApplicationState(state);
        report.setFinalApplicationStatus(finalStatus);
        report.setDiagnostics(diagnostics);
        report.setStartTime(started);
        report.setFinishTime(finished);
        report.setHost("N/A");
        report.setRpcPort(-1);
        report.setTrackingUrl("N/A");
        report.setOriginalTrackingUrl("N/A");
        report.setApplicationType(context.getApplicationType());
        report.setApplicationTags(tags);
        report.setProgress(progress);
        report.setCurrentApplicationAttemptId(ApplicationAttemptId.newInstance(id, Math.max(attempt, 1)));
        return report;
    }

    ObjectNode toJson(long clusterId) {
        ObjectNode json = JSON.createObjectNode();
        json.put("id", id.toString());
        json.put("user", user);
        json.put("name", context.getApplicationName());
        json.put("queue", context.getQueue());
        json.put("state", state.name());
        json.put("finalStatus", finalStatus.name());
        json.put("progress", progress * 100);
        json.put("trackingUI", hasEnded() ? "History" : "UNASSIGNED");
        json.put("diagnostics", diagnostics);
        json.put("clusterId", clusterId);
        json.put("applicationType", context.getApplicationType());
        json.put("applicationTags", String.join(",", tags));
        json.put("startedTime", started);
        json.put("finishedTime", finished);
        json.put("elapsedTime", (hasEnded() ? finished : System.currentTimeMillis()) - started);
        return json;
    }
}
