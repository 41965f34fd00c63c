import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** A Flink job that ends as the file "end" in its folder says, as soon as there is one. */
public class WaitForEnd {
    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
        flink.fromSequence(1, 1).map(new Wait(args[0])).sinkTo(new DiscardingSink<>());
        flink.execute(args[0]);
    }

    static class Wait implements MapFunction<Long, Long> {
        private final String folder;

        Wait(String folder) {
            this.folder = folder;
        }

        @Override
        public Long map(Long value) throws Exception {
            Path end = Path.of(folder, "end");
            while (!Files.exists(end)) {
                Thread.sleep(20);
            }
            String status = Files.readString(end).strip();
            if (!status.equals("0")) {
                throw new IllegalStateException("exit status " + status);
            }
            return value;
        }
    }
}
