package share

import "leat.dev/internal/coord"

// Event is something that happens to a shard. Requests carry the RequestID their one
// reply will bear; they name share-partitions of one group, all of this shard.
type Event interface{ event() }

// The requests, see Persister. Reply types: Initialize, Write and Delete []Result, Read
// []ReadResult, ReadSummary []SummaryResult, in the order of the request.
type (
	Initialize struct {
		ID         coord.RequestID
		Group      string
		Partitions []InitializePartition
	}
	Read struct {
		ID         coord.RequestID
		Group      string
		Partitions []ReadPartition
	}
	ReadSummary struct {
		ID         coord.RequestID
		Group      string
		Partitions []ReadPartition
	}
	Write struct {
		ID         coord.RequestID
		Group      string
		Partitions []WritePartition
	}
	Delete struct {
		ID         coord.RequestID
		Group      string
		Partitions []TopicPartition
	}
)

// TopicsDeleted drops the state of topics that are gone.
type TopicsDeleted struct{ IDs [][16]byte }

// Loaded ends the replay of the log and starts the timers.
type Loaded struct{}

// Tick fires the timers that are due.
type Tick struct{}

// Configure replaces the settings.
type Configure struct{ Settings Settings }

func (Initialize) event()    {}
func (Read) event()          {}
func (ReadSummary) event()   {}
func (Write) event()         {}
func (Delete) event()        {}
func (TopicsDeleted) event() {}
func (Loaded) event()        {}
func (Tick) event()          {}
func (Configure) event()     {}
