import java.time.Duration;
import java.time.Instant;
import java.util.function.BiConsumer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Processors with stores and timers. */
final class Processors {
    private Processors() {
    }

    /** What a processor does with a record; what it says goes out as the value. */
    interface Step<S> {
        void apply(S store, ProcessorContext<String, String> c, Record<String, String> r);
    }

    static <S extends org.apache.kafka.streams.processor.StateStore> KStream<String, String> process(KStream<String, String> s, String store, Step<S> f) {
        return s.process(() -> new ContextualProcessor<String, String, String, String>() {
            private S store_;

            @Override
            public void init(ProcessorContext<String, String> c) {
                super.init(c);
                store_ = c.getStateStore(store);
            }

            @Override
            public void process(Record<String, String> r) {
                f.apply(store_, context(), r);
            }
        }, Named.as("p"), store);
    }

    static void say(ProcessorContext<String, String> c, Record<String, String> r, Object... what) {
        StringBuilder s = new StringBuilder();
        for (Object o : what) {
            s.append(s.length() > 0 ? "," : "").append(Program.s(o));
        }
        c.forward(r.withValue(s.toString()));
    }

    static <S extends org.apache.kafka.streams.processor.StateStore> StoreBuilder<S> cache(Program p, StoreBuilder<S> b) {
        return p.cache.equals("off") ? b.withCachingDisabled() : b.withCachingEnabled();
    }

    static void add() {
        Catalogue.add("p-dedup", p -> {
            p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.out(Processors.<KeyValueStore<String, String>>process(p.stream("a"), "st", (st, c, r) -> {
                if (r.key() == null) {
                    return;
                }
                String old = st.putIfAbsent(r.key(), r.value());
                if (r.value() == null) {
                    st.delete(r.key());
                    say(c, r, "del", old);
                } else if (old == null) {
                    say(c, r, "new", r.value());
                } else if (Program.num(r.value()) == 5) {
                    st.put(r.key(), r.value());
                }
            }));
        });
        Catalogue.add("p-scan", p -> {
            p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.out(Processors.<KeyValueStore<String, String>>process(p.stream("a"), "st", (st, c, r) -> {
                if (r.key() == null) {
                    return;
                }
                st.put(r.key() + Program.s(Program.letter(r.value())), r.value());
                say(c, r, "get", st.get(r.key() + "a"));
                say(c, r, "all", rows(st.all()));
                say(c, r, "range", rows(st.range("k1b", "k2c")));
                say(c, r, "prefix", rows(st.prefixScan(r.key(), Serdes.String().serializer())));
            }));
        });
        Catalogue.add("p-timestamped", p -> {
            p.b.addStateStore(cache(p, Stores.timestampedKeyValueStoreBuilder(Stores.persistentTimestampedKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.out(Processors.<TimestampedKeyValueStore<String, String>>process(p.stream("a"), "st", (st, c, r) -> {
                if (r.key() == null) {
                    return;
                }
                ValueAndTimestamp<String> old = st.get(r.key());
                if (old == null || old.timestamp() <= r.timestamp()) {
                    st.put(r.key(), ValueAndTimestamp.make(r.value(), r.timestamp()));
                    say(c, r, "put", old == null ? null : old.value() + "@" + old.timestamp());
                } else {
                    say(c, r, "late", old.value() + "@" + old.timestamp());
                }
            }));
        });
        Catalogue.add("p-versioned", p -> {
            p.b.addStateStore(Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore("st", Program.ms(100)), Serdes.String(), Serdes.String()));
            p.out(Processors.<VersionedKeyValueStore<String, String>>process(p.stream("a"), "st", (st, c, r) -> {
                if (r.key() == null) {
                    return;
                }
                if (Program.num(r.value()) == 6) {
                    st.delete(r.key(), r.timestamp());
                } else {
                    st.put(r.key(), r.value(), r.timestamp());
                }
                say(c, r, "get", at(st.get(r.key())), at(st.get(r.key(), r.timestamp())), at(st.get(r.key(), r.timestamp() - 10)),
                    at(st.get(r.key(), r.timestamp() - 60)), at(st.get(r.key(), r.timestamp() - 110)), at(st.get(r.key(), r.timestamp() + 30)));
            }));
        });
        Catalogue.add("p-window", p -> {
            p.b.addStateStore(cache(p, Stores.windowStoreBuilder(Stores.persistentWindowStore("st", Program.ms(60_000), Program.ms(10), false), Serdes.String(), Serdes.String())));
            p.out(Processors.<WindowStore<String, String>>process(p.stream("a"), "st", Processors::window));
        });
        Catalogue.add("p-window-duplicates", p -> {
            p.b.addStateStore(Stores.windowStoreBuilder(Stores.persistentWindowStore("st", Program.ms(60_000), Program.ms(10), true), Serdes.String(), Serdes.String()));
            p.out(Processors.<WindowStore<String, String>>process(p.stream("a"), "st", Processors::window));
        });
        Catalogue.add("p-session", p -> {
            p.b.addStateStore(cache(p, Stores.sessionStoreBuilder(Stores.persistentSessionStore("st", Program.ms(60_000)), Serdes.String(), Serdes.String())));
            p.out(Processors.<SessionStore<String, String>>process(p.stream("a"), "st", (st, c, r) -> {
                if (r.key() == null) {
                    return;
                }
                var w = new org.apache.kafka.streams.kstream.Windowed<>(r.key(),
                    new org.apache.kafka.streams.kstream.internals.SessionWindow(r.timestamp(), r.timestamp() + Program.num(r.value())));
                if (r.value() == null) {
                    st.remove(w);
                } else {
                    st.put(w, r.value());
                }
                StringBuilder s = new StringBuilder();
                try (var it = st.findSessions(r.key(), r.timestamp() - 10, r.timestamp() + 10)) {
                    while (it.hasNext()) {
                        var kv = it.next();
                        s.append(kv.key.window().start()).append('/').append(kv.key.window().end()).append('=').append(kv.value).append(';');
                    }
                }
                say(c, r, "find", s);
            }));
        });
        timers();
        Catalogue.add("p-children", p -> {
            KStream<String, String> s = p.stream("a").process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(Record<String, String> r) {
                    if (Program.even(r.value())) {
                        context().forward(r, "even");
                    } else if (Program.num(r.value()) == 1) {
                        context().forward(r);
                    } else {
                        context().forward(r.withValue(Program.s(r.value()) + "o"), "odd");
                    }
                }
            }, Named.as("p"));
            s.mapValues(v -> Program.s(v) + "e", Named.as("even")).to("out-even");
            s.mapValues(v -> Program.s(v), Named.as("odd")).to("out-odd");
        });
        Catalogue.add("p-then-count", p -> p.outN(p.stream("a").process(() -> new ContextualProcessor<String, String, String, String>() {
            @Override
            public void process(Record<String, String> r) {
                context().forward(r.withKey(Program.letter(r.value())));
            }
        }, Named.as("p")).groupByKey().count(p.kvN("agg"))));
        Catalogue.add("p-global", p -> {
            p.b.addGlobalStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("gs"), Serdes.String(), Serdes.String()).withLoggingDisabled(), "g",
                org.apache.kafka.streams.kstream.Consumed.with(Serdes.String(), Serdes.String()), () -> new Processor<String, String, Void, Void>() {
                    private KeyValueStore<String, String> store;

                    @Override
                    public void init(ProcessorContext<Void, Void> c) {
                        store = c.getStateStore("gs");
                    }

                    @Override
                    public void process(Record<String, String> r) {
                        if (r.key() != null) {
                            store.put(r.key(), r.value() == null ? null : r.value() + "g");
                        }
                    }
                });
            p.out(p.stream("a").process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(Record<String, String> r) {
                    KeyValueStore<String, String> st = context().getStateStore("gs");
                    String k = Program.letter(r.value());
                    say(context(), r, k, k == null ? null : st.get(k));
                }
            }, Named.as("p")));
        });
        Catalogue.add("p-shared", p -> {
            p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.stream("b").process(() -> new ContextualProcessor<String, String, Void, Void>() {
                @Override
                public void process(Record<String, String> r) {
                    if (r.key() != null) {
                        context().<KeyValueStore<String, String>>getStateStore("st").put(r.key(), r.value());
                    }
                }
            }, Named.as("w"), "st");
            p.out(Processors.<KeyValueStore<String, String>>process(p.stream("a"), "st",
                (st, c, r) -> say(c, r, r.value(), r.key() == null ? null : st.get(r.key()))));
        });
        Catalogue.add("p-values", p -> {
            p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.out(p.stream("a").processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                @Override
                public void process(FixedKeyRecord<String, String> r) {
                    KeyValueStore<String, String> st = context().getStateStore("st");
                    String k = Program.s(r.key());
                    String next = Program.fold(st.get(k), r.value());
                    st.put(k, next);
                    context().forward(r.withValue(next));
                    context().forward(r.withValue(next).withTimestamp(r.timestamp() + 1));
                }
            }, Named.as("p"), "st"));
        });
        Catalogue.add("p-table", p -> {
            p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
            p.out(p.table("t", "tab").transformValues(() -> new ValueTransformerWithKey<String, String, String>() {
                private KeyValueStore<String, String> store;

                @Override
                public void init(org.apache.kafka.streams.processor.ProcessorContext c) {
                    store = c.getStateStore("st");
                }

                @Override
                public String transform(String k, String v) {
                    String next = Program.fold(store.get(k), v);
                    store.put(k, next);
                    return v == null ? null : next;
                }

                @Override
                public void close() {
                }
            }, p.kv("m"), Named.as("tv"), "st"));
        });
    }

    private static void window(WindowStore<String, String> st, ProcessorContext<String, String> c, Record<String, String> r) {
        if (r.key() == null) {
            return;
        }
        long start = r.timestamp() / 10 * 10;
        st.put(r.key(), r.value(), start);
        say(c, r, "at", st.fetch(r.key(), start));
        StringBuilder s = new StringBuilder();
        try (WindowStoreIterator<String> it = st.fetch(r.key(), Instant.ofEpochMilli(Math.max(0, start - 20)), Instant.ofEpochMilli(start + 20))) {
            while (it.hasNext()) {
                KeyValue<Long, String> kv = it.next();
                s.append(kv.key).append('=').append(kv.value).append(';');
            }
        }
        say(c, r, "range", s);
        s = new StringBuilder();
        try (var it = st.fetchAll(Instant.ofEpochMilli(Math.max(0, start - 30)), Instant.ofEpochMilli(start + 30))) {
            while (it.hasNext()) {
                var kv = it.next();
                s.append(kv.key.key()).append('@').append(kv.key.window().start()).append('=').append(kv.value).append(';');
            }
        }
        say(c, r, "all", s);
    }

    private static String rows(KeyValueIterator<String, String> it) {
        StringBuilder s = new StringBuilder();
        try (it) {
            while (it.hasNext()) {
                KeyValue<String, String> kv = it.next();
                s.append(kv.key).append('=').append(kv.value).append(';');
            }
        }
        return s.toString();
    }

    private static String at(VersionedRecord<String> r) {
        return r == null ? null : r.value() + "@" + r.timestamp();
    }

    private static void timers() {
        for (PunctuationType type : PunctuationType.values()) {
            boolean wall = type == PunctuationType.WALL_CLOCK_TIME;
            String n = wall ? "p-wall" : "p-stream";
            Catalogue.add(n, p -> timer(p, (c, f) -> c.schedule(Program.ms(20), type, f::accept)));
            Catalogue.add(n + "-anchored", p -> timer(p, (c, f) -> c.schedule(Instant.ofEpochMilli(wall ? Program.START + 7 : 7), Program.ms(20), type, f::accept)));
            Catalogue.add(n + "-past", p -> timer(p, (c, f) -> c.schedule(Instant.ofEpochMilli(wall ? Program.START - 33 : 0), Program.ms(20), type, f::accept)));
            Catalogue.add(n + "-two", p -> timer(p, (c, f) -> {
                c.schedule(Program.ms(15), type, f::accept);
                c.schedule(Program.ms(10), type, t -> f.accept(-t));
            }));
            Catalogue.add(n + "-once", p -> timer(p, (c, f) -> {
                var handle = new org.apache.kafka.streams.processor.Cancellable[1];
                handle[0] = c.schedule(Program.ms(10), type, t -> {
                    f.accept(t);
                    handle[0].cancel();
                });
            }));
            Catalogue.add(n + "-count", p -> {
                p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
                p.outN(timed(p, (c, f) -> c.schedule(Program.ms(20), type, f::accept)).groupByKey().count(p.kvN("agg")));
            });
        }
    }

    interface Timer {
        void accept(long now);
    }

    private static void timer(Program p, BiConsumer<ProcessorContext<String, String>, Timer> schedule) {
        p.b.addStateStore(cache(p, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("st"), Serdes.String(), Serdes.String())));
        p.out(timed(p, schedule));
    }

    /** Holds what comes and sends it all when the timer says so. */
    private static KStream<String, String> timed(Program p, BiConsumer<ProcessorContext<String, String>, Timer> schedule) {
        return p.stream("a").process(() -> new ContextualProcessor<String, String, String, String>() {
            private KeyValueStore<String, String> store;

            @Override
            public void init(ProcessorContext<String, String> c) {
                super.init(c);
                store = c.getStateStore("st");
                schedule.accept(c, now -> {
                    long at = Math.abs(now);
                    try (var it = store.all()) {
                        while (it.hasNext()) {
                            var kv = it.next();
                            c.forward(new Record<>(kv.key, kv.value + "@" + now + "/" + c.currentStreamTimeMs(), at));
                            if (Program.even(kv.value)) {
                                store.delete(kv.key);
                            }
                        }
                    }
                    c.forward(new Record<>("tick", now + "/" + c.currentSystemTimeMs(), at));
                });
            }

            @Override
            public void process(Record<String, String> r) {
                store.put(Program.s(r.key()), r.value());
            }
        }, Named.as("p"), "st");
    }
}
