package streams

import (
	"fmt"
	"log/slog"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// config is what AppOptions say.
type config struct {
	engine.Settings

	optimize       bool
	generatedNames bool
	noCache        bool // statestore.cache.max.bytes=0
	deadLetters    string
	onProcessing   func(Failure) Decision
	onDecode       func(Failure) Decision
	onProduce      func(Failure) Decision
	onCrash        func(error) CrashPolicy
	nodeMetrics    bool
	onRestore      func(RestoreEvent)
	around         func(c Ctx, node string, next func() error) error
	log            *slog.Logger
	client         []kgo.Opt
	metrics        prometheus.Registerer
	serve          *serveConfig // of ServeQueries; nil: none
	commitGiven    bool
	mistakes       []error // of options
	extra          []any   // of options of the testing kit
}

// AppOption adjusts an app.
type AppOption struct{ apply func(*config) }

func newConfig(o []AppOption) *config {
	c := &config{Settings: defaultSettings(), log: slog.New(slog.DiscardHandler)}
	for _, opt := range o {
		if opt.apply != nil {
			opt.apply(c)
		}
	}
	return c
}

func defaultSettings() engine.Settings {
	return engine.Settings{
		Workers: 1, CommitIntervalMs: 30_000, CacheBytes: 10 << 20, BufferedPerInput: 1000, ReplicationFactor: -1,
		WindowChangelogMs: 86_400_000, EmitIntervalMs: 1000, RepartitionPurgeMs: 30_000, StateCleanupDelayMs: 600_000,
		AcceptableLag: 10_000, MaxWarmups: 2, ProbingMs: 600_000, TrafficCost: 10, NonOverlapCost: 1,
		CommitBytes: 16 << 20, InputBufferBytes: 512 << 20, TaskTimeoutMs: 300_000,
	}
}

// program is a compiled topology: what all tasks share.
type program struct {
	appID    string
	topology *topology.Topology
	settings engine.Settings
	config   *config
	patterns map[*topology.Node]*regexp.Regexp
}

// compile builds the topology and makes a program of it. It connects to nothing.
func compile(applicationID string, build func(*Builder), c *config) (*engine.Program, error) {
	_, p, err := compileBoth(applicationID, build, c)
	return p, err
}

// compileBoth gives the program as this package knows it, too.
func compileBoth(applicationID string, build func(*Builder), c *config) (*program, *engine.Program, error) {
	if err := topology.CheckName(applicationID); err != nil {
		return nil, nil, fmt.Errorf("streams: application id: %w", err)
	}
	b := newBuilder(c)
	top, err := b.build(build)
	if err != nil {
		return nil, nil, err
	}
	p := &program{appID: applicationID, topology: top, settings: c.Settings, config: c, patterns: map[*topology.Node]*regexp.Regexp{}}
	for _, n := range top.Nodes() {
		if n.Kind == topology.KindSource && n.Pattern != "" {
			p.patterns[n] = regexp.MustCompile("^(?:" + n.Pattern + ")$") // checked by the topology
		}
	}
	return p, &engine.Program{
		ApplicationID: applicationID, Topology: top, Settings: c.Settings,
		NewTask: func(id engine.TaskID, env engine.Env, st *state.Task, g engine.Global) (engine.Task, error) {
			global, _ := g.(*globalTask)
			return newTask(p, id, env, st, global)
		},
		NewGlobal: func(env engine.Env, st *state.Task) (engine.Global, error) {
			if len(top.Globals) == 0 {
				return nil, nil
			}
			return newGlobalTask(p, env, st)
		},
	}, nil
}

func (p *program) subtopology(id int) *topology.Subtopology {
	for _, s := range p.topology.Subtopologies {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// topic is the full name of a topic of the topology.
func (p *program) topic(name string, internal bool) string {
	if internal {
		return topology.Decorate(p.appID, name)
	}
	return name
}

// sourceTopics are the full names of the topics a source reads; of one with a pattern they are found as they arrive.
func (p *program) sourceTopics(n *topology.Node) []string {
	topics := make([]string, len(n.Topics))
	for i, t := range n.Topics {
		topics[i] = p.topic(t, n.Internal)
	}
	return topics
}

// changelogTopic is where changes of a store are written.
func (p *program) changelogTopic(s *topology.Store) string {
	if s.ChangelogTopic != "" {
		return s.ChangelogTopic
	}
	return topology.Decorate(p.appID, s.Name+"-changelog")
}
