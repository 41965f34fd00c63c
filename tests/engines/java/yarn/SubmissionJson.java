import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.yarn.api.records.*;
import org.apache.hadoop.yarn.util.Records;

/** The submission context as the REST API takes it. */
class SubmissionJson {
    static ApplicationSubmissionContext read(JsonNode json) {
        if (!json.hasNonNull("application-id")) {
            throw new IllegalArgumentException("ApplicationId cannot be null");
        }
        ApplicationSubmissionContext context = Records.newRecord(ApplicationSubmissionContext.class);
        context.setApplicationId(ApplicationId.fromString(json.get("application-id").asText()));
        context.setApplicationName(json.path("application-name").asText("N/A"));
        context.setQueue(json.path("queue").asText("default"));
        context.setApplicationType(json.path("application-type").asText("YARN"));
        context.setMaxAppAttempts(json.path("max-app-attempts").asInt(0));
        JsonNode resource = json.path("resource");
        context.setResource(
                Resource.newInstance(resource.path("memory").asInt(1024), resource.path("vCores").asInt(1)));
        var tags = new HashSet<String>();
        each(json.path("application-tags").path("tag")).forEach(tag -> tags.add(tag.asText()));
        context.setApplicationTags(tags);
        context.setAMContainerSpec(container(json.path("am-container-spec")));
        return context;
    }

    private static ContainerLaunchContext container(JsonNode json) {
        Map<String, LocalResource> resources = new HashMap<>();
        for (JsonNode entry : each(json.path("local-resources").path("entry"))) {
            JsonNode value = entry.get("value");
            resources.put(entry.get("key").asText(), LocalResource.newInstance(
                    URL.fromPath(new Path(value.get("resource").asText())),
                    LocalResourceType.valueOf(value.path("type").asText()),
                    LocalResourceVisibility.valueOf(value.path("visibility").asText()),
                    value.path("size").asLong(), value.path("timestamp").asLong()));
        }
        Map<String, String> environment = new HashMap<>();
        for (JsonNode entry : each(json.path("environment").path("entry"))) {
            environment.put(entry.get("key").asText(), entry.get("value").asText());
        }
        List<String> commands = new ArrayList<>();
        each(json.path("commands").path("command")).forEach(command -> commands.add(command.asText()));
        return ContainerLaunchContext.newInstance(resources, environment, commands, null, null, null);
    }

    /** A list, also where one element stands for itself. */
    private static Iterable<JsonNode> each(JsonNode json) {
        return json.isMissingNode() || json.isNull() ? List.of() : json.isArray() ? json : List.of(json);
    }
}
