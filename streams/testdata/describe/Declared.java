// Writes declared.topologies: how each program of Cases.java is told to the group coordinator (KIP-1071).
//
//     javac -cp 'lib/*' -d out Cases.java Declared.java && java -cp 'out:lib/*' Declared declared.topologies
import java.lang.reflect.*;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.message.StreamsGroupHeartbeatRequestData;
import org.apache.kafka.streams.*;

public class Declared {
    static String declared(Topology t) throws Exception {
        Properties p = new Properties();
        p.put("application.id", "app");
        p.put("bootstrap.servers", "none:1");
        StreamsConfig config = new StreamsConfig(p);
        Field f = Topology.class.getDeclaredField("internalTopologyBuilder");
        f.setAccessible(true);
        Object b = f.get(t);
        b.getClass().getMethod("rewriteTopology", StreamsConfig.class).invoke(b, config);
        b.getClass().getMethod("buildTopology").invoke(b);
        Class<?> thread = Class.forName("org.apache.kafka.streams.processor.internals.StreamThread");
        Method init = thread.getDeclaredMethod("initBrokerTopology", StreamsConfig.class, b.getClass());
        init.setAccessible(true);
        Object map = init.invoke(null, config, b);
        Class<?> state = Class.forName("org.apache.kafka.clients.consumer.internals.StreamsGroupHeartbeatRequestManager$HeartbeatState");
        Method write = state.getDeclaredMethod("fromStreamsToHeartbeatRequest", Map.class);
        write.setAccessible(true);
        StringBuilder out = new StringBuilder();
        for (Object o : (List<?>) write.invoke(null, map)) {
            StreamsGroupHeartbeatRequestData.Subtopology s = (StreamsGroupHeartbeatRequestData.Subtopology) o;
            out.append("sub-topology ").append(s.subtopologyId()).append("\n");
            if (!s.sourceTopicRegex().isEmpty()) out.append("  patterns ").append(s.sourceTopicRegex()).append("\n");
            out.append("  sources ").append(s.sourceTopics()).append("\n");
            topics(out, "repartition", s.repartitionSourceTopics());
            out.append("  sinks ").append(s.repartitionSinkTopics()).append("\n");
            topics(out, "changelog", s.stateChangelogTopics());
            for (StreamsGroupHeartbeatRequestData.CopartitionGroup g : s.copartitionGroups()) {
                out.append("  co-partitioned ").append(g.sourceTopics()).append(" ").append(g.repartitionSourceTopics()).append("\n");
            }
        }
        return out.toString();
    }

    static void topics(StringBuilder out, String kind, List<StreamsGroupHeartbeatRequestData.TopicInfo> topics) {
        for (StreamsGroupHeartbeatRequestData.TopicInfo t : topics) {
            out.append("  ").append(kind).append(" ").append(t.name()).append(" ").append(t.partitions()).append(" ").append(t.replicationFactor());
            for (StreamsGroupHeartbeatRequestData.KeyValue c : t.topicConfigs()) out.append(" ").append(c.key()).append("=").append(c.value());
            out.append("\n");
        }
    }

    public static void main(String[] a) throws Exception {
        StringBuilder out = new StringBuilder();
        for (Map.Entry<String, Cases.Program> c : Cases.cases.entrySet()) {
            for (boolean optimize : new boolean[] {false, true}) {
                String text;
                try {
                    Properties props = new Properties();
                    if (optimize) props.put("topology.optimization", "all");
                    StreamsBuilder b = new StreamsBuilder();
                    c.getValue().build(b);
                    text = declared(b.build(props));
                } catch (RuntimeException | InvocationTargetException e) {
                    Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
                    text = "error: " + cause.getClass().getSimpleName() + ": " + String.valueOf(cause.getMessage()).replaceAll("[\\{\\n][\\s\\S]*", "...") + "\n";
                }
                out.append("# ").append(c.getKey()).append(optimize ? ".opt" : "").append("\n").append(text);
            }
        }
        Files.writeString(Path.of(a[0]), out);
    }
}
