import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import javax.crypto.SecretKey;

import org.apache.hadoop.security.token.SecretManager;
import org.apache.hadoop.security.token.Token;
import org.apache.hadoop.yarn.api.records.ApplicationAttemptId;
import org.apache.hadoop.yarn.security.AMRMTokenIdentifier;

/** The tokens by which an ApplicationMaster says which attempt it is; they hold over a restart. */
class Secrets extends SecretManager<AMRMTokenIdentifier> {
    private final SecretKey key;

    Secrets(Path file) throws IOException {
        if (!Files.exists(file)) {
            byte[] fresh = new byte[20];
            new SecureRandom().nextBytes(fresh);
            Files.write(file, fresh);
        }
        key = createSecretKey(Files.readAllBytes(file));
    }

    Token<AMRMTokenIdentifier> tokenFor(ApplicationAttemptId attempt) {
        return new Token<>(new AMRMTokenIdentifier(attempt, 1), this);
    }

    @Override
    protected byte[] createPassword(AMRMTokenIdentifier identifier) {
        return createPassword(identifier.getBytes(), key);
    }

    @Override
    public byte[] retrievePassword(AMRMTokenIdentifier identifier) {
        return createPassword(identifier);
    }

    @Override
    public AMRMTokenIdentifier createIdentifier() {
        return new AMRMTokenIdentifier();
    }
}
