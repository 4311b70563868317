import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.UnlimitedWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.WindowStore;

/** Window and session aggregates: each kind of window with each operator and each way to emit. */
final class TimeAggregates {
    private TimeAggregates() {
    }

    /** Either time, sliding or unlimited windows; a session if only gap is set. */
    record W(TimeWindows time, SlidingWindows sliding, UnlimitedWindows unlimited, SessionWindows session, long retention) {
        TimeWindowedKStream<String, String> of(KGroupedStream<String, String> g, boolean end) {
            TimeWindowedKStream<String, String> t = time != null ? g.windowedBy(time) : sliding != null ? g.windowedBy(sliding) : g.windowedBy(unlimited);
            return end ? t.emitStrategy(EmitStrategy.onWindowClose()) : t;
        }

        <V> Materialized<String, V, WindowStore<Bytes, byte[]>> keep(Materialized<String, V, WindowStore<Bytes, byte[]>> m) {
            return retention > 0 ? m.withRetention(Program.ms(retention)) : m;
        }
    }

    static W time(long size, long advance, long grace, long retention) {
        return new W(TimeWindows.ofSizeAndGrace(Program.ms(size), Program.ms(grace)).advanceBy(Program.ms(advance)), null, null, null, retention);
    }

    static W sliding(long d, long grace) {
        return new W(null, SlidingWindows.ofTimeDifferenceAndGrace(Program.ms(d), Program.ms(grace)), null, null, 0);
    }

    static W session(long gap, long grace) {
        return new W(null, null, null, SessionWindows.ofInactivityGapAndGrace(Program.ms(gap), Program.ms(grace)), 0);
    }

    static final Map<String, W> TIME = new LinkedHashMap<>();
    static final Map<String, W> SESSIONS = new LinkedHashMap<>();

    static {
        TIME.put("tum", time(10, 10, 0, 0));
        TIME.put("tumg", time(10, 10, 15, 0));
        TIME.put("tumr", time(10, 10, 5, 200_000));
        TIME.put("tumbig", time(40_000, 40_000, 30_000, 0));
        TIME.put("hop", time(20, 5, 0, 0));
        TIME.put("hopg", time(20, 5, 12, 0));
        TIME.put("hopgap", time(15, 10, 7, 0));
        TIME.put("sld", sliding(10, 0));
        TIME.put("sldg", sliding(10, 12));
        TIME.put("sldbig", sliding(20_000, 20_000));
        TIME.put("unl", new W(null, null, UnlimitedWindows.of().startOn(java.time.Instant.ofEpochMilli(7)), null, 0));
        SESSIONS.put("ses", session(10, 0));
        SESSIONS.put("sesg", session(10, 12));
        SESSIONS.put("sesbig", session(20_000, 30_000));
    }

    static void add() {
        TIME.forEach((name, w) -> {
            for (boolean end : new boolean[] {false, true}) {
                if (end && w.unlimited != null) {
                    continue;
                }
                String n = name + (end ? "-final" : "");
                Catalogue.add(n + "-count", p -> p.outWN(w.of(p.stream("a").groupByKey(), end).count(w.keep(p.winN("agg")))));
                Catalogue.add(n + "-reduce", p -> p.outW(w.of(p.stream("a").groupByKey(), end).reduce(Program::fold, w.keep(p.win("agg")))));
                Catalogue.add(n + "-aggregate", p -> p.outW(w.of(p.stream("a").groupByKey(), end)
                    .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), w.keep(p.win("agg")))));
                Catalogue.add(n + "-null", p -> p.outW(w.of(p.stream("a").groupByKey(), end)
                    .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), w.keep(p.win("agg")))));
                Catalogue.add(n + "-by", p -> p.outW(w.of(Aggregates.byLetter(p, "a"), end)
                    .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), w.keep(p.win("agg")))));
            }
            if (w.unlimited == null) {
                Catalogue.add(name + "-suppress", p -> p.outW(w.of(p.stream("a").groupByKey(), false)
                    .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), w.keep(p.win("agg"))).suppress(closed())));
                Catalogue.add(name + "-final-suppress", p -> p.outWN(w.of(p.stream("a").groupByKey(), true).count(w.keep(p.winN("agg"))).suppress(closed())));
                Catalogue.add(name + "-limit", p -> p.outWN(w.of(p.stream("a").groupByKey(), false).count(w.keep(p.winN("agg"))).suppress(limit())));
            }
            Catalogue.add(name + "-cogroup", p -> {
                CogroupedKStream<String, String> c = cogroup(p);
                var t = w.time != null ? c.windowedBy(w.time) : w.sliding != null ? c.windowedBy(w.sliding) : c.windowedBy(w.unlimited);
                p.outW(t.aggregate(() -> "i", w.keep(p.win("agg"))));
            });
            Catalogue.add(name + "-steps", p -> p.outW(w.of(p.stream("a").groupByKey(), false)
                .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), w.keep(p.win("agg")))
                .filter((k, v) -> v.length() % 3 != 0).mapValues((k, v) -> v + "@" + k.window().start())));
        });
        SESSIONS.forEach((name, w) -> {
            for (boolean end : new boolean[] {false, true}) {
                String n = name + (end ? "-final" : "");
                EmitStrategy e = end ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate();
                Catalogue.add(n + "-count", p -> p.outSN(p.stream("a").groupByKey().windowedBy(w.session).emitStrategy(e).count(p.sesN("agg"))));
                Catalogue.add(n + "-reduce", p -> p.outS(p.stream("a").groupByKey().windowedBy(w.session).emitStrategy(e).reduce(Program::fold, p.ses("agg"))));
                Catalogue.add(n + "-aggregate", p -> p.outS(p.stream("a").groupByKey().windowedBy(w.session).emitStrategy(e)
                    .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, a, b) -> Program.merge(a, b), p.ses("agg"))));
                Catalogue.add(n + "-null", p -> p.outS(p.stream("a").groupByKey().windowedBy(w.session).emitStrategy(e)
                    .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), (k, a, b) -> Program.merge(a, b), p.ses("agg"))));
                Catalogue.add(n + "-by", p -> p.outS(Aggregates.byLetter(p, "a").windowedBy(w.session).emitStrategy(e)
                    .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, a, b) -> Program.merge(a, b), p.ses("agg"))));
            }
            Catalogue.add(name + "-suppress", p -> p.outS(p.stream("a").groupByKey().windowedBy(w.session)
                .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, a, b) -> Program.merge(a, b), p.ses("agg")).suppress(closed())));
            Catalogue.add(name + "-final-suppress", p -> p.outSN(p.stream("a").groupByKey().windowedBy(w.session).emitStrategy(EmitStrategy.onWindowClose())
                .count(p.sesN("agg")).suppress(closed())));
            Catalogue.add(name + "-limit", p -> p.outSN(p.stream("a").groupByKey().windowedBy(w.session).count(p.sesN("agg")).suppress(limit())));
            Catalogue.add(name + "-cogroup", p -> p.outS(cogroup(p).windowedBy(w.session).aggregate(() -> "i", (k, a, b) -> Program.merge(a, b), p.ses("agg"))));
            Catalogue.add(name + "-steps", p -> p.outS(p.stream("a").groupByKey().windowedBy(w.session)
                .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), (k, a, b) -> Program.merge(a, b), p.ses("agg"))
                .filter((k, v) -> v.length() % 3 != 0).mapValues((k, v) -> v + "@" + k.window().start())));
        });
    }

    static CogroupedKStream<String, String> cogroup(Program p) {
        return p.stream("a").groupByKey().<String>cogroup((k, v, a) -> Program.fold(a, v))
            .cogroup(p.stream("b").groupByKey(), (k, v, a) -> Program.undo(a, v));
    }

    static Suppressed<Windowed<?>> closed() {
        return Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("sup");
    }

    static Suppressed<Windowed<String>> limit() {
        return Suppressed.<Windowed<String>>untilTimeLimit(Program.ms(15), BufferConfig.maxRecords(3)).withName("sup");
    }
}
