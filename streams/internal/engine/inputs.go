package engine

import "fmt"

// Unknown is the stream time and the partition time before the first record.
const Unknown int64 = -1

// Load decodes the record at the head of an input and gives its timestamp. partitionTime is the input's, before this
// record. ok is false when the record is dropped; an error is final.
type Load func(input int, in *In, partitionTime int64) (ts int64, ok bool, err error)

// Inputs are the input partitions of one task and the records that wait in them: Kafka Streams' partition group. The
// next record is the one with the smallest timestamp among the heads of all inputs; when they are equal, that of the input
// named first. Only heads are decoded.
//
// Whether a record may be taken while another input is empty is decided by max.task.idle.ms: -1 takes what there is; 0
// waits for an input only while the broker has, or may have, records of it; more waits that long on top of that.
type Inputs struct {
	load      Load
	idleMaxMs int64 // max.task.idle.ms
	index     map[TopicPartition]int
	inputs    []input
	filled    int // inputs with records
	time      int64
	done      *Batch // its last record is what Next returned last

	Enforced int64 // records taken while an input was empty, because max.task.idle.ms was over
}

// NewInputs makes the group of a task. maxTaskIdleMs is -1, 0 or a number of milliseconds.
func NewInputs(tps []TopicPartition, maxTaskIdleMs int64, load Load) *Inputs {
	s := &Inputs{load: load, idleMaxMs: maxTaskIdleMs, index: make(map[TopicPartition]int, len(tps)), inputs: make([]input, len(tps)), time: Unknown}
	for i, tp := range tps {
		s.index[tp] = i
		s.inputs[i] = input{tp: tp, time: Unknown, position: Committed{Offset: -1, LeaderEpoch: -1}}
	}
	return s
}

// ErrInput is wrapped by the error for a partition that is no input of the task.
var ErrInput = fmt.Errorf("not an input of the task")

func (s *Inputs) of(tp TopicPartition) (*input, error) {
	i, ok := s.index[tp]
	if !ok {
		return nil, fmt.Errorf("%s-%d: %w", tp.Topic, tp.Partition, ErrInput)
	}
	return &s.inputs[i], nil
}

// Has tells whether a partition is an input of the task.
func (s *Inputs) Has(tp TopicPartition) bool {
	_, ok := s.index[tp]
	return ok
}

// Open adds an input behind the others, for a topic that was found after the task was made. It must not be one already.
func (s *Inputs) Open(tp TopicPartition) {
	s.index[tp] = len(s.inputs)
	s.inputs = append(s.inputs, input{tp: tp, time: Unknown, position: Committed{Offset: -1, LeaderEpoch: -1}})
}

// Add appends records of one input, in offset order. The slice is copied, what its records point to is not.
func (s *Inputs) Add(tp TopicPartition, records []In) error {
	b := newBatch(len(records))
	b.Records = append(b.Records, records...)
	return s.AddBatch(tp, b)
}

// AddBatch is Add of a batch, which belongs to the inputs from here on.
func (s *Inputs) AddBatch(tp TopicPartition, b *Batch) error {
	in, err := s.of(tp)
	if err != nil || len(b.Records) == 0 {
		b.free()
		return err
	}
	if in.count == 0 {
		s.filled++
	}
	in.push(b)
	return nil
}

// Known tells about an input that has nothing buffered whether the broker has no more either. What was said last holds:
// who adds records says afterwards whether they were the last.
func (s *Inputs) Known(tp TopicPartition, caughtUp bool) {
	if in, err := s.of(tp); err == nil {
		in.caughtUp = caughtUp
	}
}

// Ready tells whether a record may be taken at wall-clock time now.
func (s *Inputs) Ready(now int64) bool {
	if s.filled == len(s.inputs) {
		for i := range s.inputs {
			s.inputs[i].idle = false
		}
		return s.filled > 0
	}
	if s.idleMaxMs < 0 {
		return s.filled > 0
	}
	ready := true
	for i := range s.inputs {
		in := &s.inputs[i]
		switch {
		case in.count > 0:
			in.idle = false
		case !in.caughtUp:
			in.idle = false
			ready = false
		default:
			if !in.idle {
				in.idle, in.deadline = true, now+s.idleMaxMs
			}
			ready = ready && now >= in.deadline
		}
	}
	ready = ready && s.filled > 0
	if ready && s.idleMaxMs > 0 {
		s.Enforced++
	}
	return ready
}

// Next takes the next record, if one is ready at wall-clock time now. in is valid until the next call of Next; ts is what
// Load gave. After an error nothing was taken.
func (s *Inputs) Next(now int64) (input int, in *In, ts int64, ok bool, err error) {
	if s.done != nil {
		s.done.free()
		s.done = nil
	}
	for s.Ready(now) {
		input, err := s.head()
		if err != nil {
			return 0, nil, 0, false, err
		}
		if input < 0 {
			continue // an input lost all it had: whether the others may go on without it is asked anew
		}
		from := &s.inputs[input]
		ts := from.headTime
		from.time = max(from.time, ts)
		s.time = max(s.time, ts)
		in := from.head()
		s.done = s.take(from)
		return input, in, ts, true, nil
	}
	return 0, nil, 0, false, nil
}

// head decodes heads and finds the smallest. It gives -1 when an input became empty because its records were dropped.
func (s *Inputs) head() (int, error) {
	best := -1
	for i := range s.inputs {
		in := &s.inputs[i]
		if in.count == 0 {
			continue
		}
		for !in.loaded {
			ts, ok, err := s.load(i, in.head(), in.time)
			if err != nil {
				return 0, err
			}
			if ok {
				in.loaded, in.headTime = true, ts
				break
			}
			if done := s.take(in); done != nil {
				done.free()
			}
			if in.count == 0 {
				return -1, nil
			}
		}
		if best < 0 || in.headTime < s.inputs[best].headTime {
			best = i
		}
	}
	return best, nil
}

// take removes the head, whether it was processed or dropped: the position is behind it. It gives the batch that has no more.
func (s *Inputs) take(in *input) (done *Batch) {
	head := in.head()
	in.position.Offset, in.position.LeaderEpoch = head.Offset+1, head.LeaderEpoch
	in.moved, in.loaded = true, false
	done = in.pop()
	if in.count == 0 {
		s.filled--
	}
	return done
}

// StreamTime is the largest timestamp of any record taken, Unknown before the first.
func (s *Inputs) StreamTime() int64 { return s.time }

// PartitionTime is the largest timestamp of any record taken from one input, Unknown before the first.
func (s *Inputs) PartitionTime(input int) int64 { return s.inputs[input].time }

// RestoreTime gives back the partition time that was committed with an input's offset. It never lowers a time.
func (s *Inputs) RestoreTime(tp TopicPartition, ms int64) {
	if in, err := s.of(tp); err == nil {
		in.time = max(in.time, ms)
		s.time = max(s.time, ms)
	}
}

// RestoreStreamTime gives back a stream time that was kept elsewhere. It never lowers it.
func (s *Inputs) RestoreStreamTime(ms int64) { s.time = max(s.time, ms) }

// Partition names an input.
func (s *Inputs) Partition(input int) TopicPartition { return s.inputs[input].tp }

// Buffered is the number of records and bytes (keys, values, headers) waiting in one input.
func (s *Inputs) Buffered(tp TopicPartition) (records int, bytes int64) {
	in, err := s.of(tp)
	if err != nil {
		return 0, 0
	}
	return in.count, in.bytes
}

// NextOffset is the offset after the last record that was taken of one input, -1 before the first.
func (s *Inputs) NextOffset(tp TopicPartition) int64 {
	in, err := s.of(tp)
	if err != nil {
		return -1
	}
	return in.position.Offset
}

// Positions is what may be committed: for each input from which records were taken since the last Commit (all that have
// a position, when all is set: processor metadata goes with each of them), the offset after the last one, with the
// metadata that belongs to the input's partition time.
func (s *Inputs) Positions(all bool, metadata func(partitionTime int64) string) map[TopicPartition]Committed {
	out := map[TopicPartition]Committed{}
	for i := range s.inputs {
		in := &s.inputs[i]
		if in.position.Offset < 0 || !in.moved && !all {
			continue
		}
		c := in.position
		if in.count > 0 {
			c.Offset = in.head().Offset // past what compaction and transactions left out
		}
		if metadata != nil {
			c.Metadata = metadata(in.time)
		}
		out[in.tp] = c
	}
	return out
}

// Moved tells whether records were taken since the last Commit.
func (s *Inputs) Moved() bool {
	for i := range s.inputs {
		if s.inputs[i].moved {
			return true
		}
	}
	return false
}

// Commit tells that the last Positions were committed.
func (s *Inputs) Commit() {
	for i := range s.inputs {
		s.inputs[i].moved = false
	}
}
