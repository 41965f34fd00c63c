import java.net.InetSocketAddress;
import java.nio.file.Path;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.yarn.api.ApplicationClientProtocol;
import org.apache.hadoop.yarn.api.ApplicationMasterProtocol;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.ipc.YarnRPC;

/**
 * A small ResourceManager with one node, for tests: it speaks YARN's own RPC to clients and to
 * ApplicationMasters, and the REST API. ApplicationMasters run as processes of this host; it gives them no
 * further containers. What it knows is kept below its folder, so that it goes on after it was killed.
 *
 * <p>Arguments: folder, ports for clients, ApplicationMasters and REST; then, where it is a standby, the
 * address of the REST API of the active one.
 */
public class ResourceManager {
    private static final long RECOVERY_MILLIS = 700;

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        if (args.length > 4) {
            new Rest(null, args[4]).listen(port(args[3]));
            return;
        }
        Secrets secrets = new Secrets(folder.resolve("secret"));
        Applications applications = new Applications(folder, secrets);
        new Rest(applications, null).listen(port(args[3]));
        Thread.sleep(RECOVERY_MILLIS);
        applications.recover();
        Configuration conf = new YarnConfiguration();
        YarnRPC rpc = YarnRPC.create(conf);
        ClientService clients = new ClientService(applications);
        rpc.getServer(ApplicationClientProtocol.class, clients.proxy(), port(args[1]), conf, null, 4).start();
        MasterService masters = new MasterService(applications);
        rpc.getServer(ApplicationMasterProtocol.class, masters, port(args[2]), conf, secrets, 4).start();
        Runtime.getRuntime().addShutdownHook(new Thread(applications::killContainers));
        applications.watch();
    }

    private static InetSocketAddress port(String number) {
        return new InetSocketAddress("127.0.0.1", Integer.parseInt(number));
    }
}
