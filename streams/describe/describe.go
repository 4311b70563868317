// Package describe reads the description of a topology, ours or that of Kafka Streams, and draws it: as boxes
// and arrows for a terminal, for Mermaid and Graphviz, as JSON, or as Kafka's own text. It does no I/O.
package describe

import "leat.dev/streams/internal/topology"

// Description is a topology as it is shown. Its methods String (Kafka's text), JSON, Mermaid, DOT and
// Terminal(width) draw it.
type Description = topology.Description

// Group is a sub-topology of a Description, or a global store with its number.
type Group = topology.DescribedGroup

// Node is one source, processor or sink of a Group.
type Node = topology.DescribedNode

// Store is what a Description of ours knows of a state store; Kafka's text does not tell.
type Store = topology.DescribedStore

// Parse reads the text of Topology.describe(), ours or Kafka's: at most 16 MiB and 20,000 nodes. Lines before
// its beginning are skipped, so that a log may be given. An error names the line.
func Parse(text string) (*Description, error) { return topology.ParseDescription(text) }

// ParseJSON reads what Description.JSON wrote, within the same limits.
func ParseJSON(data []byte) (*Description, error) { return topology.ParseJSON(data) }
