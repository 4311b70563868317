// Package stage is where the examples are played: it makes the topics of one, writes sample records to them, runs the
// application, and prints what comes out, until it is interrupted. The examples themselves are topologies and their tests;
// a program of your own needs none of this, see the main function that Main's documentation shows.
//
// Goroutines: one feeds, one prints; both end with the context.
package stage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// Play is an example.
type Play struct {
	ID       string // the application id
	Topology func(*streams.Builder)
	Options  []streams.AppOption
	Topics   []string // made with Partitions partitions where they are missing
	Show     []Shown  // what is printed
	// Feed writes sample records. It is run beside the application, and may be nil.
	Feed func(ctx context.Context, f *Feeder) error
}

// partitions of topics that an example makes.
const partitions = 3

// Main plays until it is interrupted, and ends the process with code 1 on an error. Without a stage the same program is
//
//	app, err := streams.New("word-count", WordCount, streams.Brokers("localhost:9092"))
//	if err != nil {
//		log.Fatal(err)
//	}
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//	defer stop()
//	log.Fatal(app.Run(ctx))
func Main(p Play) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, p.ID+":", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p Play, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet(p.ID, flag.ContinueOnError)
	flags.SetOutput(errs)
	brokers := flags.String("bootstrap-servers", "localhost:9092", "addresses of the cluster, separated by commas")
	feed := flags.Bool("feed", true, "write sample records")
	state := flags.String("state-dir", "", "keep state in this directory (default: in memory)")
	verbose := flags.Bool("verbose", false, "log what the application does")
	describe := flags.Bool("describe", false, "print the topology and end")
	once := flags.Bool("exactly-once", false, "process exactly once")
	length := flags.Duration("for", 0, "end after this time (default: when interrupted)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	seeds := strings.Split(*brokers, ",")
	o := append([]streams.AppOption{streams.Brokers(seeds...), streams.StateDir(*state), streams.CommitEvery(time.Second)}, p.Options...)
	if *verbose {
		o = append(o, streams.Logger(slog.New(slog.NewTextHandler(errs, nil))))
	}
	if *once {
		o = append(o, streams.ExactlyOnce())
	}
	app, err := streams.New(p.ID, p.Topology, o...)
	if err != nil {
		return err
	}
	if *describe {
		_, err := fmt.Fprint(out, app.Describe())
		return err
	}
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	if err := p.makeTopics(ctx, seeds); err != nil {
		return err
	}
	return p.play(ctx, app, seeds, *feed, out)
}

// play runs application, feeder and printer together; what fails first ends all.
func (p Play) play(ctx context.Context, app *streams.App, seeds []string, feed bool, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 2)
	begin := func(what string, f func() error) {
		go func() {
			err := f()
			if err != nil {
				cancel()
			}
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", what, err)
			}
			errs <- err
		}()
	}
	begin("printing", func() error { return p.print(ctx, seeds, out) })
	begin("feeding", func() error {
		if !feed || p.Feed == nil {
			return nil
		}
		f, err := newFeeder(seeds)
		if err != nil {
			return err
		}
		defer f.client.Close()
		return p.Feed(ctx, f)
	})
	err := app.Run(ctx)
	cancel()
	return errors.Join(err, <-errs, <-errs)
}

func (p Play) makeTopics(ctx context.Context, seeds []string) error {
	client, err := kadm.NewOptClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.CreateTopics(ctx, partitions, -1, nil, p.Topics...)
	if err != nil {
		return fmt.Errorf("making topics at %s: %w (is `leat up` running?)", strings.Join(seeds, ","), err)
	}
	for _, t := range made {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("making topic %s: %w", t.Topic, t.Err)
		}
	}
	return nil
}
