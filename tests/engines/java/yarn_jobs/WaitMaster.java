import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.hadoop.yarn.api.records.FinalApplicationStatus;
import org.apache.hadoop.yarn.client.api.AMRMClient;
import org.apache.hadoop.yarn.conf.YarnConfiguration;

/** An ApplicationMaster that ends as the file "end" of its folder says, as soon as there is one. */
public class WaitMaster {
    public static void main(String[] args) throws Exception {
        AMRMClient<AMRMClient.ContainerRequest> manager = AMRMClient.createAMRMClient();
        manager.init(new YarnConfiguration());
        manager.start();
        manager.registerApplicationMaster("127.0.0.1", 0, "");
        Path end = Path.of(args[0], "end");
        while (!Files.exists(end)) {
            manager.allocate(0.5f);
            Thread.sleep(50);
        }
        boolean good = Files.readString(end).strip().equals("0");
        var status = good ? FinalApplicationStatus.SUCCEEDED : FinalApplicationStatus.FAILED;
        manager.unregisterApplicationMaster(status, good ? "" : "exit status " + Files.readString(end), "");
        manager.stop();
    }
}
