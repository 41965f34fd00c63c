import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;

import org.apache.hadoop.ipc.Server;
import org.apache.hadoop.security.token.TokenIdentifier;
import org.apache.hadoop.yarn.api.ApplicationMasterProtocol;
import org.apache.hadoop.yarn.api.protocolrecords.*;
import org.apache.hadoop.yarn.api.records.*;
import org.apache.hadoop.yarn.exceptions.YarnException;
import org.apache.hadoop.yarn.proto.YarnServiceProtos.SchedulerResourceTypes;
import org.apache.hadoop.yarn.security.AMRMTokenIdentifier;
import org.apache.hadoop.yarn.util.Records;

/** What ApplicationMasters say: that they are there, how far they are, and how they end. */
class MasterService implements ApplicationMasterProtocol {
    private final Applications applications;

    MasterService(Applications applications) {
        this.applications = applications;
    }

    @Override
    public RegisterApplicationMasterResponse registerApplicationMaster(
            RegisterApplicationMasterRequest request) throws YarnException, IOException {
        Application application = caller();
        synchronized (application) {
            if (!application.hasEnded()) {
                application.state = YarnApplicationState.RUNNING;
                application.diagnostics = "";
                application.save();
            }
        }
        var answer = Records.newRecord(RegisterApplicationMasterResponse.class);
        answer.setMaximumResourceCapability(Resource.newInstance(8192, 8));
        answer.setContainersFromPreviousAttempts(new ArrayList<>());
        answer.setNMTokensFromPreviousAttempts(new ArrayList<>());
        answer.setSchedulerResourceTypes(EnumSet.of(SchedulerResourceTypes.MEMORY));
        answer.setQueue(application.context.getQueue());
        return answer;
    }

    @Override
    public AllocateResponse allocate(AllocateRequest request) throws YarnException, IOException {
        Application application = caller();
        synchronized (application) {
            if (!application.hasEnded()) {
                application.progress = request.getProgress();
            }
        }
        AllocateResponse answer = Records.newRecord(AllocateResponse.class);
        answer.setResponseId(request.getResponseId() + 1);
        answer.setAllocatedContainers(new ArrayList<>());
        answer.setCompletedContainersStatuses(new ArrayList<>());
        answer.setUpdatedNodes(new ArrayList<>());
        answer.setAvailableResources(Resource.newInstance(0, 0));
        answer.setNumClusterNodes(1);
        return answer;
    }

    @Override
    public FinishApplicationMasterResponse finishApplicationMaster(FinishApplicationMasterRequest request)
            throws YarnException, IOException {
        Application application = caller();
        synchronized (application) {
            if (!application.hasEnded()) {
                String diagnostics = request.getDiagnostics();
                application.end(YarnApplicationState.FINISHED, request.getFinalApplicationStatus(),
                        diagnostics == null ? "" : diagnostics);
                application.save();
            }
        }
        return FinishApplicationMasterResponse.newInstance(true);
    }

    private Application caller() throws YarnException, IOException {
        for (TokenIdentifier each : Server.getRemoteUser().getTokenIdentifiers()) {
            if (each instanceof AMRMTokenIdentifier token) {
                String id = token.getApplicationAttemptId().getApplicationId().toString();
                if (applications.get(id) != null) {
                    return applications.get(id);
                }
            }
        }
        throw new YarnException("no ApplicationMaster that is known here");
    }
}
