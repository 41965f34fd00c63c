import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;

import org.apache.hadoop.ipc.Server;
import org.apache.hadoop.yarn.api.ApplicationClientProtocol;
import org.apache.hadoop.yarn.api.protocolrecords.*;
import org.apache.hadoop.yarn.api.records.*;
import org.apache.hadoop.yarn.exceptions.ApplicationNotFoundException;
import org.apache.hadoop.yarn.util.Records;
import org.apache.hadoop.yarn.util.resource.ResourceUtils;

/** What clients such as spark-submit ask: those methods of ApplicationClientProtocol that are defined here. */
public class ClientService {
    private final Applications applications;

    ClientService(Applications applications) {
        this.applications = applications;
    }

    Object proxy() {
        Class<?>[] protocol = {ApplicationClientProtocol.class};
        return Proxy.newProxyInstance(ClientService.class.getClassLoader(), protocol, this::call);
    }

    private Object call(Object self, Method method, Object[] args) throws Throwable {
        try {
            if (method.getDeclaringClass() == Object.class) {
                return method.invoke(this, args);
            }
            return getClass().getMethod(method.getName(), method.getParameterTypes()).invoke(this, args);
        } catch (NoSuchMethodException problem) {
            throw new UnsupportedOperationException(method.getName());
        } catch (InvocationTargetException problem) {
            throw problem.getCause();
        }
    }

    public GetClusterMetricsResponse getClusterMetrics(GetClusterMetricsRequest request) {
        YarnClusterMetrics metrics = Records.newRecord(YarnClusterMetrics.class);
        metrics.setNumNodeManagers(1);
        return GetClusterMetricsResponse.newInstance(metrics);
    }

    public GetNewApplicationResponse getNewApplication(GetNewApplicationRequest request) {
        GetNewApplicationResponse answer = Records.newRecord(GetNewApplicationResponse.class);
        answer.setApplicationId(applications.next());
        answer.setMaximumResourceCapability(Resource.newInstance(8192, 8));
        return answer;
    }

    public GetQueueInfoResponse getQueueInfo(GetQueueInfoRequest request) {
        QueueInfo queue = Records.newRecord(QueueInfo.class);
        queue.setQueueName(request.getQueueName());
        queue.setQueueState(QueueState.RUNNING);
        queue.setApplications(new ArrayList<>());
        queue.setChildQueues(new ArrayList<>());
        GetQueueInfoResponse answer = Records.newRecord(GetQueueInfoResponse.class);
        answer.setQueueInfo(queue);
        return answer;
    }

    public GetQueueUserAclsInfoResponse getQueueUserAcls(GetQueueUserAclsInfoRequest request) {
        return GetQueueUserAclsInfoResponse.newInstance(new ArrayList<>());
    }

    public GetClusterNodesResponse getClusterNodes(GetClusterNodesRequest request) {
        return GetClusterNodesResponse.newInstance(new ArrayList<>());
    }

    public GetAllResourceTypeInfoResponse getResourceTypeInfo(GetAllResourceTypeInfoRequest request) {
        GetAllResourceTypeInfoResponse answer = Records.newRecord(GetAllResourceTypeInfoResponse.class);
        answer.setResourceTypeInfo(List.copyOf(ResourceUtils.getResourcesTypeInfo()));
        return answer;
    }

    public SubmitApplicationResponse submitApplication(SubmitApplicationRequest request) throws Exception {
        String user = Server.getRemoteUser().getShortUserName();
        applications.submit(request.getApplicationSubmissionContext(), user);
        return Records.newRecord(SubmitApplicationResponse.class);
    }

    public GetApplicationReportResponse getApplicationReport(GetApplicationReportRequest request)
            throws Exception {
        return GetApplicationReportResponse.newInstance(known(request.getApplicationId()).report());
    }

    public KillApplicationResponse forceKillApplication(KillApplicationRequest request) throws Exception {
        Application application = known(request.getApplicationId());
        applications.kill(application);
        return KillApplicationResponse.newInstance(application.hasEnded());
    }

    private Application known(ApplicationId id) throws ApplicationNotFoundException {
        Application application = applications.get(id.toString());
        if (application == null) {
            throw new ApplicationNotFoundException("Application with id '" + id + "' doesn't exist in RM.");
        }
        return application;
    }
}
