import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** All programs by name, in the order in which the Go catalogue holds them. */
final class Catalogue {
    static final Map<String, Consumer<Program>> PROGRAMS = new LinkedHashMap<>();

    static {
        Stateless.add();
        Tables.add();
        Aggregates.add();
        TimeAggregates.add();
        Joins.add();
        TableJoins.add();
        Processors.add();
        Chains.add();
        Corners.add();
    }

    private Catalogue() {
    }

    static void add(String name, Consumer<Program> build) {
        if (PROGRAMS.put(name, build) != null) {
            throw new IllegalStateException("two programs " + name);
        }
    }
}
