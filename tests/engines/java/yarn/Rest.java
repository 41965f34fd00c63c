import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

/** The REST API, with the paths, bodies and answers of a ResourceManager's. */
class Rest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CLUSTER = "/ws/v1/cluster";

    private final Applications applications;
    private final String active;

    /** With the address of the active one it is a standby, which only says where that is. */
    Rest(Applications applications, String active) {
        this.applications = applications;
        this.active = active;
    }

    void listen(InetSocketAddress address) throws IOException {
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", this::handle);
        server.start();
    }

    private void handle(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        try {
            if (active != null && exchange.getRequestURI().getPath().equals(CLUSTER + "/info")) {
                send(exchange, 200, JSON.createObjectNode().set("clusterInfo", info("STANDBY")));
            } else if (active != null) {
                exchange.getResponseHeaders().set("Location", active + exchange.getRequestURI());
                send(exchange, 307, "This is standby RM. The redirect url is: " + active);
            } else {
                answer(exchange, body);
            }
        } catch (IllegalArgumentException | JsonProcessingException problem) {
            refuse(exchange, 400, "BadRequestException", problem.getMessage());
        } catch (RuntimeException problem) {
            problem.printStackTrace();
            refuse(exchange, 500, "WebApplicationException", problem.toString());
        }
    }

    private void answer(HttpExchange exchange, byte[] body) throws IOException {
        URI uri = exchange.getRequestURI();
        String asked = exchange.getRequestMethod() + " " + uri.getPath();
        String id = asked.replaceFirst(".*/apps/([^/]+).*", "$1");
        Application application = applications.get(id);
        if (asked.equals("GET " + CLUSTER + "/info")) {
            send(exchange, 200, JSON.createObjectNode().set("clusterInfo", info(applications.haState())));
        } else if (asked.equals("POST " + CLUSTER + "/apps/new-application")) {
            send(exchange, 200, JSON.createObjectNode().put("application-id", applications.next().toString()));
        } else if (asked.equals("POST " + CLUSTER + "/apps")) {
            var context = SubmissionJson.read(JSON.readTree(body));
            String user = parameters(uri).getOrDefault("user.name", "dr.who");
            applications.submit(context, user);
            exchange.getResponseHeaders().set("Location", uri + "/" + context.getApplicationId());
            send(exchange, 202, "");
        } else if (asked.equals("GET " + CLUSTER + "/apps")) {
            send(exchange, 200, list(parameters(uri)));
        } else if (asked.contains("/apps/") && application == null) {
            refuse(exchange, 404, "NotFoundException", "app with id: " + id + " not found");
        } else if (asked.equals("GET " + CLUSTER + "/apps/" + id)) {
            send(exchange, 200, JSON.createObjectNode().set("app", json(application)));
        } else if (asked.equals("GET " + CLUSTER + "/apps/" + id + "/state")) {
            send(exchange, 200, state(application));
        } else if (asked.equals("PUT " + CLUSTER + "/apps/" + id + "/state")) {
            if (!JSON.readTree(body).path("state").asText().equals("KILLED")) {
                throw new IllegalArgumentException("Only 'KILLED' is allowed as a target state.");
            }
            boolean hadEnded = application.hasEnded();
            applications.kill(application);
            send(exchange, hadEnded ? 200 : 202, state(application));
        } else {
            refuse(exchange, 404, "NotFoundException", "null for uri: " + uri);
        }
    }

    private static ObjectNode info(String haState) {
        return JSON.createObjectNode().put("state", "STARTED").put("haState", haState);
    }

    private ObjectNode list(Map<String, String> wanted) {
        ArrayNode found = JSON.createArrayNode();
        for (Application each : applications.all()) {
            if (chosen(wanted.get("applicationtags"), each.tags)
                    && chosen(wanted.get("states"), List.of(each.state.name().toLowerCase(Locale.ROOT)))) {
                found.add(json(each));
            }
        }
        ObjectNode answer = JSON.createObjectNode();
        if (found.isEmpty()) {
            return answer.putNull("apps");
        }
        answer.putObject("apps").set("app", found);
        return answer;
    }

    private static boolean chosen(String wanted, java.util.Collection<String> words) {
        return wanted == null
                || !Collections.disjoint(words, Arrays.asList(wanted.toLowerCase(Locale.ROOT).split(",")));
    }

    private ObjectNode json(Application application) {
        synchronized (application) {
            return application.toJson(applications.clusterTimestamp);
        }
    }

    private static ObjectNode state(Application application) {
        return JSON.createObjectNode().put("state", application.state.name());
    }

    private static Map<String, String> parameters(URI uri) {
        Map<String, String> parameters = new HashMap<>();
        String query = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        for (String each : query.split("&")) {
            String[] pair = each.split("=", 2);
            String value = pair.length < 2 ? "" : URLDecoder.decode(pair[1], StandardCharsets.UTF_8);
            parameters.put(pair[0].toLowerCase(Locale.ROOT), value);
        }
        return parameters;
    }

    private static void refuse(HttpExchange exchange, int status, String exception, String message)
            throws IOException {
        ObjectNode problem = JSON.createObjectNode().put("exception", exception).put("message", message);
        problem.put("javaClassName", "org.apache.hadoop.yarn.webapp." + exception);
        send(exchange, status, JSON.createObjectNode().set("RemoteException", problem));
    }

    private static void send(HttpExchange exchange, int status, Object body) throws IOException {
        boolean isJson = body instanceof JsonNode;
        byte[] bytes = body.toString().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", isJson ? "application/json" : "text/plain");
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }
}
