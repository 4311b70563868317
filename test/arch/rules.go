// Package arch holds the rules of the house as a table, and a test that fails when the code breaks one.
//
// A room is a folder at the second level of the tree (internal/wire, internal/broker, cmd/leat, ...) with
// everything under it. Imports point down only: a room may import the rooms its entry lists and no others,
// so a new edge is a decision somebody writes down here together with its reason. The same holds for
// modules outside the standard library, and for the things of the standard library that make code
// impossible to run under a simulated clock and disk (time.Now, files, the global random source).
//
// Think about the layering before you change a rule: nearly always the new import belongs in another room.
//
// The package does not check what a compiler or a linter checks; those run beside it in `make check`.
package arch

// A room is one part of the house and what it may use.
type room struct {
	path    string   // folder from the module root, "/"-separated; packages below it belong to it
	imports []string // rooms it may import; itself is always allowed
	modules []string // modules outside the standard library that its shipped code may import
	why     string   // shown when an import is refused
}

// The rooms that build one broker, from the ground up.
const (
	base      = "internal/base"
	wire      = "internal/wire"
	commitlog = "internal/commitlog"
	metadata  = "internal/metadata"
	coord     = "internal/coord"
	broker    = "internal/broker"
	transport = "internal/broker/transport"
	rowRoom   = "internal/row"
	format    = "internal/format"
	registry  = "internal/registry"
	platform  = "internal/platform"
	demo      = "internal/demo"
	cli       = "internal/cli"
	launch    = "test/launch"

	streams         = "streams"
	streamsCodec    = "streams/internal/codec"
	streamsState    = "streams/internal/state"
	streamsTopology = "streams/internal/topology"
	streamsDescribe = "streams/describe"
	streamsPlan     = "streams/internal/plan"
	streamsEngine   = "streams/internal/engine"
)

// Modules, so that a typing error in the table is a compile error.
const (
	modKmsg        = "github.com/twmb/franz-go/pkg/kmsg"
	modKadm        = "github.com/twmb/franz-go/pkg/kadm"
	modFranz       = "github.com/twmb/franz-go"
	modCompress    = "github.com/klauspost/compress"
	modLZ4         = "github.com/pierrec/lz4/v4"
	modRaft        = "go.etcd.io/raft/v3"
	modProto       = "google.golang.org/protobuf"
	modProtobuild  = "github.com/bufbuild/protocompile"
	modCobra       = "github.com/spf13/cobra"
	modPflag       = "github.com/spf13/pflag"
	modPrometheus  = "github.com/prometheus"
	modYAML        = "go.yaml.in/yaml/v3"
	modProgressbar = "github.com/schollz/progressbar/v3"
	modXXH3        = "github.com/zeebo/xxh3"
	modXCrypto     = "golang.org/x/crypto"
	modXSys        = "golang.org/x/sys"
	modXTerm       = "golang.org/x/term"
	modXSync       = "golang.org/x/sync"
	modPKCS12      = "software.sslmate.com/src/go-pkcs12"
	modKerberos    = "github.com/jcmturner/gokrb5/v8"
	modKerberosASN = "github.com/jcmturner/gofork"
	modAvro        = "github.com/twmb/avro"
	modRapid       = "pgregory.net/rapid"
	modPorcupine   = "github.com/anishathalye/porcupine"
	modPebble      = "github.com/cockroachdb/pebble/v2"
	modBtree       = "github.com/tidwall/btree"
)

// testModules may be imported by any _test.go file.
var testModules = []string{modRapid, modPorcupine, modAvro}

var rooms = []room{
	{
		path: base, modules: []string{modXSys},
		why: "base is what everything stands on: clock, files, randomness. It knows nothing of Kafka and imports no other room.",
	},
	{
		path: wire, imports: []string{base}, modules: []string{modFranz, modKmsg, modCompress, modLZ4, modXSync},
		why: "wire turns bytes into messages and back. It holds no state of a broker, so that clients, tools and tests can use it.",
	},
	{
		path: commitlog, imports: []string{base, wire}, modules: []string{modFranz, modKmsg, modXSync, modXSys},
		why: "one partition on disk. It must work alone under a simulated disk, without a cluster, a controller or a network.",
	},
	{
		path: metadata, imports: []string{base, wire, commitlog}, modules: []string{modFranz, modKmsg, modRaft, modProto, modXSync},
		why: "the cluster's metadata and its controller. The broker listens to the image; metadata never calls the broker.",
	},
	{
		path: coord, imports: []string{base, wire, metadata}, modules: []string{modFranz, modKmsg, modXXH3},
		why: "coordinators are state machines without I/O: request in, records and replies out. Logs, networks and goroutines belong to the shell in internal/broker.",
	},
	{
		path: broker, imports: []string{base, wire, commitlog, metadata, coord}, modules: []string{modFranz, modKmsg, modPrometheus, modXSync, modXSys, modProto, modPKCS12, modKerberos, modKerberosASN},
		why: "the broker assembles the rooms below it. It must not know the process it runs in (platform) nor the command line (cli).",
	},
	{
		path: rowRoom, imports: []string{base},
		why: "typed values know nothing of bytes on a wire, of SQL's syntax or of Kafka: everything that moves data stands on them.",
	},
	{
		path: format, imports: []string{base, rowRoom, registry}, modules: []string{modProto, modProtobuild},
		why: "a format turns rows into bytes and back. It asks the schema registry as a client and knows no topic, no consumer, no query.",
	},
	{
		path: registry, imports: []string{base, rowRoom}, modules: []string{modFranz, modKmsg, modKadm, modPrometheus, modProto, modXCrypto},
		why: "the schema registry reaches its store by the Kafka protocol, so that it runs on any cluster: it knows nothing of our broker. What is below registry/schema does no I/O at all.",
	},
	{
		path: platform, imports: []string{base, wire, commitlog, metadata, coord, broker, registry}, modules: []string{modFranz, modKmsg, modPrometheus, modYAML, modXSync, modXSys},
		why: "platform runs roles in one process. It may import every room of internal except the command line, which stands on it.",
	},
	{
		path: demo, imports: []string{streams, "examples"}, modules: []string{modFranz, modKmsg, modKadm, modXTerm},
		why: "the demo shows what a user sees: a process, a crash, the Kafka protocol. It must not know the broker's inside.",
	},
	{
		path: cli, imports: []string{base, wire, commitlog, metadata, registry, platform, demo, streamsDescribe}, modules: []string{modFranz, modKmsg, modKadm, modCobra, modPflag, modYAML, modProgressbar, modXTerm, modXSys, modXSync},
		why: "commands reach a broker only through the Kafka protocol, so that all of them work against Apache Kafka too; `log dump` and `log verify` may read files through commitlog. The broker's inside is closed to them.",
	},
	{
		path: "cmd/leat", imports: []string{cli, platform}, modules: []string{modCobra},
		why: "main is wiring only: whatever is worth a test belongs in cli or platform.",
	},
	{
		path: streamsCodec, imports: []string{base},
		why: "the byte formats of Kafka Streams: values in, bytes out. They stand alone, so that tools can read what an application wrote.",
	},
	{
		path: streamsState, imports: []string{base, streamsCodec}, modules: []string{modPebble, modBtree},
		why: "state is bytes by key on disk or in memory. It knows no types, no topology and no cluster.",
	},
	{
		path: streamsTopology,
		why:  "the graph that runs and what follows from it: drawings, sub-topologies, internal topics. It runs nothing and knows no types.",
	},
	{
		path: streamsDescribe, imports: []string{streamsTopology},
		why: "reads and draws descriptions of topologies, those of Java too: nothing that runs one.",
	},
	{
		path: streamsPlan, imports: []string{streamsTopology},
		why: "the logical graph with Kafka's names and optimisations. It writes a topology and runs nothing.",
	},
	{
		path: streamsEngine, imports: []string{base, streamsCodec, streamsState, streamsTopology}, modules: []string{modFranz, modKmsg, modKadm, modPrometheus, modXSync},
		why: "what drives tasks, by the Kafka protocol so that it runs on any cluster: our broker's inside is closed to it, and so are the types of package streams.",
	},
	{
		path: streams, imports: []string{base, streamsCodec, streamsState, streamsTopology, streamsPlan, streamsEngine}, modules: []string{modFranz, modProto, modAvro, modPrometheus, modBtree},
		why: "the public library and its testing kit: whoever imports them must not get a broker with it.",
	},
	{
		path: "examples", imports: []string{streams}, modules: []string{modFranz, modKmsg, modKadm, modXTerm, modProgressbar},
		why: "an example is what a user could write: public packages and the Kafka protocol, nothing of internal.",
	},
	{
		path: "test/arch",
		why:  "the rules read source files only; they must hold even when nothing else builds.",
	},
	{
		path: launch, modules: []string{modFranz, modKmsg},
		why: "starts a broker as a child process, ours or Apache Kafka: it knows only command lines and the protocol.",
	},
	{
		path: "test/shell", imports: []string{launch},
		why: "runs command lines against a fresh broker, as a person would: it knows the program by its name only.",
	},
	{
		path: "test/cli", imports: []string{launch, "test/shell"},
		why: "scripts judge the one program by what it writes.",
	},
	{
		path: "test/guide", imports: []string{launch, "test/shell"},
		why: "the guide is run as its readers run it.",
	},
	{
		path: "test/interop", imports: []string{launch}, modules: []string{modFranz, modKmsg, modKadm},
		why: "foreign clients judge the broker from outside; importing its inside would let it judge itself.",
	},
	{
		path: "test/interop/kafkafiles", imports: []string{base, wire, commitlog, metadata, coord, launch}, modules: []string{modFranz, modKmsg},
		why: "Apache Kafka's tools on our files and the other way round: the log alone, no broker.",
	},
	{
		path: "test/differ", imports: []string{wire, launch, "test/shell"}, modules: []string{modFranz, modKmsg},
		why: "both brokers are asked over the protocol; the wire's batches are only what is sent.",
	},
	{
		path: "test/streams", imports: []string{streams, launch},
		why: "programs as a user writes them, beside the same ones on Kafka Streams: the public packages only.",
	},
	{
		path: "test/chaos", imports: []string{launch}, modules: []string{modFranz, modKmsg, modKadm, modPorcupine, modXSys, modCompress, modLZ4},
		why: "a killed process is a child process: chaos uses the binary and the protocol only.",
	},
	{
		path: "test/registry", imports: []string{launch, "test/shell"}, modules: []string{modFranz, modKmsg},
		why: "registries are judged as processes, over HTTP and by the topic they leave behind.",
	},
	{
		path: "test/streamsapp", imports: []string{launch, "test/shell", streams}, modules: []string{modFranz, modKmsg, modKadm, modPrometheus},
		why: "streams applications are run as their users run them, against a broker that is a child process.",
	},
	{
		path: "test/streams", imports: []string{launch, streams, streamsState, streamsTopology, streamsPlan, streamsEngine, streamsCodec, base}, modules: []string{modFranz, modKmsg, modKadm, modProto},
		why: "the library is held against Kafka Streams and against naive models.",
	},
	{
		path: "test/bench", imports: []string{launch, streams}, modules: []string{modFranz, modKmsg, modKadm, modXSys},
		why: "both brokers must be measured by the same client from outside, and applications of package streams as their users run them.",
	},
	{
		path: "test/sim", imports: []string{base, wire, commitlog, metadata, coord, broker, platform}, modules: []string{modFranz, modKmsg, modRapid, modPorcupine},
		why: "a simulation assembles the rooms below the command line around one seeded clock and disk.",
	},
}

// A ban keeps one thing of the standard library inside the rooms that exist to wrap it.
type ban struct {
	pkg     string   // import path
	names   []string // the package's functions; nil bans the whole import
	allowed []string // folders where it may be used in shipped code
	tests   bool     // also banned in _test.go files
	unless  string   // but not in a file that imports this
	why     string
}

// edge is everything that talks to a person or to the operating system and is never simulated.
var edge = []string{platform, cli, demo, "cmd", "examples", "test"}

func and(folders []string, more ...string) []string {
	return append(append([]string{}, folders...), more...)
}

var bans = []ban{
	{
		pkg: "time", names: []string{"Sleep"}, tests: true,
		allowed: []string{"examples", cli, demo},
		unless:  "testing/synctest", // in its bubble, sleeping is moving the clock
		why:     "sleeping hides races and makes tests slow: wait on a channel or a condition with a deadline, use testing/synctest, or move a clock.Manual",
	},
	// The transport's times are deadlines of sockets, which the kernel compares with its own clock.
	{
		pkg: "time", names: []string{"Now", "Since", "Until"},
		allowed: and(edge, base+"/clock", transport),
		why:     "the clock is an argument (clock.Clock), so that a whole cluster can run inside one deterministic test",
	},
	{
		pkg: "time", names: []string{"After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		allowed: and(edge, base+"/clock", transport),
		why:     "timers come from clock.Clock: a test that moves the clock by hand must move every timer",
	},
	{
		pkg:     "os",
		names:   []string{"Open", "OpenFile", "Create", "CreateTemp", "ReadFile", "WriteFile", "Mkdir", "MkdirAll", "MkdirTemp", "Remove", "RemoveAll", "Rename", "ReadDir", "Stat", "Lstat", "Truncate", "Chmod", "Link", "Symlink", "DirFS"},
		allowed: and(edge, base+"/vfs"),
		why:     "files are reached through vfs.FS, so that crashes, torn writes and full disks can be simulated",
	},
	{
		pkg: "io/ioutil", allowed: nil, tests: true,
		why: "deprecated since Go 1.16",
	},
	{
		pkg: "math/rand", allowed: nil, tests: true,
		why: "use math/rand/v2 with a source that was passed in",
	},
	{
		pkg:     "math/rand/v2",
		names:   []string{"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "N", "Uint", "UintN", "Uint32", "Uint32N", "Uint64", "Uint64N", "Float32", "Float64", "NormFloat64", "ExpFloat64", "Perm", "Shuffle"},
		allowed: []string{cli, demo, "cmd", "examples"}, tests: true,
		why: "the global random source cannot be replayed from a seed: pass a *rand.Rand (tests print its seed)",
	},
	{
		pkg: "crypto/rand", allowed: and(edge, base, streams),
		why: "identifiers come from a random source that is an argument (an io.Reader), so that a simulation can repeat them",
	},
	{
		pkg: "os/exec", allowed: []string{cli, demo, "examples", "test"},
		why: "the platform is one process and starts no others",
	},
}

// Limits on files (the reason: a file that does not fit in a head is two files).
const (
	fileLinesMax       = 1200
	fileLinesMedianMax = 200
)
