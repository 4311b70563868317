// Replays the scripts of describe.txt with Kafka Streams and prints them with the descriptions it gives:
//
//     javac -cp "$LIB/*" -d /tmp/describe Describe.java
//     java -cp "$LIB/*:/tmp/describe" Describe describe.txt             # every case with Kafka's text, or its error
//     java -cp "$LIB/*:/tmp/describe" Describe random <seed> <count>    # cases made at random
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;

public class Describe {
    static class Pick implements TopicNameExtractor<Object, Object> {
        public String extract(Object k, Object v, org.apache.kafka.streams.processor.RecordContext c) { return "x"; }
        public String toString() { return "Pick"; }
    }

    static class Step implements Processor<Object, Object, Object, Object> {
        public void process(org.apache.kafka.streams.processor.api.Record<Object, Object> r) { }
    }

    static class Last implements Processor<byte[], byte[], Void, Void> {
        public void process(org.apache.kafka.streams.processor.api.Record<byte[], byte[]> r) { }
    }

    static StoreBuilder<?> store(String name) {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.ByteArray(), Serdes.ByteArray());
    }

    static void line(Topology t, String line) {
        String[] w = line.split(" ");
        String[] rest = Arrays.copyOfRange(w, 2, w.length);
        Deserializer<byte[]> d = new ByteArrayDeserializer();
        switch (w[0]) {
            case "source": t.addSource(w[1], rest); break;
            case "pattern": t.addSource(w[1], Pattern.compile(w[2])); break;
            case "processor": t.addProcessor(w[1], Step::new, rest); break;
            case "sink": t.addSink(w[1], w[2], Arrays.copyOfRange(w, 3, w.length)); break;
            case "dynamic": t.addSink(w[1], new Pick(), rest); break;
            case "store": t.addStateStore(store(w[1]), rest); break;
            case "connect": t.connectProcessorAndStateStores(w[1], rest); break;
            case "global": t.addGlobalStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(w[1]), Serdes.ByteArray(), Serdes.ByteArray()).withLoggingDisabled(), w[2], d, d, w[3], w[4], Last::new); break;
            case "readonly": t.addReadOnlyStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(w[1]), Serdes.ByteArray(), Serdes.ByteArray()).withLoggingDisabled(), w[2], d, d, w[3], w[4], Last::new); break;
            default: throw new IllegalArgumentException(line);
        }
    }

    static void run(String name, List<String> script) {
        System.out.println("== " + name);
        for (String l : script) System.out.println(l);
        System.out.println("--");
        try {
            Topology t = new Topology();
            for (String l : script) line(t, l);
            System.out.println(t.describe());
        } catch (Exception e) {
            System.out.println("error: " + e.getMessage());
        }
    }

    static List<String> random(Random r) {
        List<String> out = new ArrayList<>(), parents = new ArrayList<>(), processors = new ArrayList<>();
        String[] words = {"KSTREAM-SOURCE-", "KSTREAM-FILTER-", "KTABLE-MAPVALUES-", "a", "node_", "Z.", "count-", "ü"};
        int n = 3 + r.nextInt(30);
        for (int i = 0; i < n; i++) {
            String name = words[r.nextInt(words.length)] + String.format(r.nextBoolean() ? "%010d" : "%d", i);
            int kind = i == 0 ? 0 : r.nextInt(10);
            if (kind < 2) {
                StringBuilder topics = new StringBuilder();
                for (int k = 0; k <= r.nextInt(4); k++) topics.append(" topic-").append(r.nextInt(1000)).append("-").append(i).append("-").append(k);
                out.add("source " + name + topics);
                parents.add(name);
                continue;
            }
            LinkedHashSet<String> from = new LinkedHashSet<>();
            for (int k = 0; k <= (r.nextInt(3) == 0 ? r.nextInt(5) : 0); k++) from.add(parents.get(r.nextInt(3) == 0 ? Math.max(0, parents.size() - 1 - r.nextInt(3)) : r.nextInt(parents.size())));
            String p = String.join(" ", from);
            if (kind < 8) {
                out.add("processor " + name + " " + p);
                parents.add(name);
                processors.add(name);
            } else {
                out.add((kind == 8 ? "sink " + name + " out-" + i + " " : "dynamic " + name + " ") + p);
            }
        }
        for (int s = 0; !processors.isEmpty() && s < r.nextInt(20); s++) {
            LinkedHashSet<String> users = new LinkedHashSet<>();
            for (int k = 0; k <= (r.nextInt(6) == 0 ? 2 : 0); k++) users.add(processors.get(r.nextInt(r.nextBoolean() ? 1 : processors.size())));
            out.add("store STORE-" + r.nextInt(100) + "-" + s + " " + String.join(" ", users));
        }
        if (r.nextInt(5) == 0) out.add(r.nextInt(out.size()), "global G gsource gtopic gprocessor");
        return out;
    }

    public static void main(String[] a) throws Exception {
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8"));
        if (a[0].equals("random")) {
            Random r = new Random(Long.parseLong(a[1]));
            for (int i = 0; i < Integer.parseInt(a[2]); i++) run("random " + i, random(r));
            return;
        }
        String name = null;
        List<String> script = new ArrayList<>();
        boolean reading = false;
        for (String l : Files.readAllLines(Paths.get(a[0]))) {
            if (l.startsWith("== ")) {
                if (name != null) run(name, script);
                name = l.substring(3);
                script = new ArrayList<>();
                reading = true;
            } else if (l.equals("--")) {
                reading = false;
            } else if (reading && !l.isBlank()) {
                script.add(l);
            }
        }
        if (name != null) run(name, script);
    }
}
