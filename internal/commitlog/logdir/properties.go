package logdir

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"leat.dev/internal/base/vfs"
)

const (
	propertiesFile = "meta.properties"
	cleanFile      = ".kafka_cleanshutdown"
	lockFile       = ".lock"
)

// properties is the content of meta.properties.
type properties struct {
	version     int
	clusterID   string
	nodeID      int32 // -1 not set
	directoryID string
}

func (p properties) encode() []byte {
	return fmt.Appendf(nil, "cluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n", p.clusterID, p.directoryID, p.nodeID)
}

// decodeProperties reads a Java properties file as Kafka writes it.
func decodeProperties(data []byte) (properties, error) {
	p := properties{nodeID: -1}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return p, fmt.Errorf("%s: line %q", propertiesFile, line)
		}
		key, value = strings.TrimSpace(key), strings.ReplaceAll(strings.TrimSpace(value), `\`, "")
		switch key {
		case "version":
			v, err := strconv.Atoi(value)
			if err != nil || v < 0 || v > 1 {
				return p, fmt.Errorf("%s: unknown version %q", propertiesFile, value)
			}
			p.version = v
		case "node.id", "broker.id":
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return p, fmt.Errorf("%s: %s is %q", propertiesFile, key, value)
			}
			p.nodeID = int32(n)
		case "cluster.id":
			p.clusterID = value
		case "directory.id":
			p.directoryID = value
		}
	}
	return p, nil
}

// openProperties reads meta.properties or creates it, and makes sure that the
// directory belongs to this node and cluster.
func (d *Dir) openProperties() error {
	name := d.path(propertiesFile)
	data, err := vfs.ReadFile(d.o.FS, name)
	var p properties
	switch {
	case isNotExist(err) && d.o.ClusterID == "":
		return refused("%s has no %s and no cluster id is given", d.o.Path, propertiesFile)
	case isNotExist(err):
		p = properties{nodeID: -1}
	case err != nil:
		return err
	default:
		if p, err = decodeProperties(data); err != nil {
			return &refusedError{err}
		}
	}
	if p.clusterID != "" && d.o.ClusterID != "" && p.clusterID != d.o.ClusterID {
		return refused("%s belongs to cluster %s, not %s", d.o.Path, p.clusterID, d.o.ClusterID)
	}
	if p.nodeID >= 0 && p.nodeID != d.o.NodeID {
		return refused("%s belongs to node %d, not %d", d.o.Path, p.nodeID, d.o.NodeID)
	}
	complete := p.version == 1 && p.clusterID != "" && p.nodeID >= 0
	if p.clusterID == "" {
		p.clusterID = d.o.ClusterID
	}
	p.nodeID, p.version = d.o.NodeID, 1
	id, err := base64.RawURLEncoding.DecodeString(p.directoryID)
	if err != nil || len(id) != 16 {
		if id, err = d.newID(); err != nil {
			return err
		}
		p.directoryID, complete = base64.RawURLEncoding.EncodeToString(id), false
	}
	d.directoryID, d.clusterID = [16]byte(id), p.clusterID
	if complete {
		return nil
	}
	return vfs.WriteFileAtomic(d.o.FS, name, p.encode())
}

// refusedError says that a directory is not to be used, however well it works.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

func refused(format string, args ...any) error { return &refusedError{fmt.Errorf(format, args...)} }

// newID draws a random id whose text does not start with a dash, as Kafka's do not.
func (d *Dir) newID() ([]byte, error) {
	id := make([]byte, 16)
	for {
		if _, err := io.ReadFull(d.o.Random, id); err != nil {
			return nil, err
		}
		if base64.RawURLEncoding.EncodeToString(id)[0] != '-' {
			return id, nil
		}
	}
}

type cleanShutdown struct {
	Version     int   `json:"version"`
	BrokerEpoch int64 `json:"brokerEpoch"`
}

// takeCleanFile removes the mark of a directory that was closed in order: from now on it is not.
func (d *Dir) takeCleanFile() error {
	if err := d.o.FS.Remove(d.path(cleanFile)); err != nil {
		if isNotExist(err) {
			return nil
		}
		return err
	}
	return d.o.FS.SyncDir(d.o.Path)
}

func (d *Dir) writeCleanFile() error {
	data, err := json.Marshal(cleanShutdown{BrokerEpoch: d.brokerEpoch.Load()})
	if err != nil {
		return err
	}
	return vfs.WriteFileAtomic(d.o.FS, d.path(cleanFile), data)
}
