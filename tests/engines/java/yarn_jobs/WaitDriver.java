import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** A Spark driver that ends as the file "end" of its folder says, as soon as there is one. */
public class WaitDriver {
    public static void main(String[] args) throws Exception {
        try (JavaSparkContext spark = new JavaSparkContext(new SparkConf())) {
            Path folder = Path.of(args[0]);
            Files.writeString(folder.resolve("master"), spark.master());
            while (!Files.exists(folder.resolve("end"))) {
                Thread.sleep(50);
            }
            String status = Files.readString(folder.resolve("end")).strip();
            if (!status.equals("0")) {
                throw new IllegalStateException("exit status " + status);
            }
        }
    }
}
