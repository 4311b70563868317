package commitlog

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// partitionMetadataFile names the file that binds a directory to a topic id.
const partitionMetadataFile = "partition.metadata"

// encodePartitionMetadata gives the file's content, which has no final newline.
func encodePartitionMetadata(id [16]byte) []byte {
	return []byte("version: 0\ntopic_id: " + base64.RawURLEncoding.EncodeToString(id[:]))
}

// decodePartitionMetadata reads the topic id.
func decodePartitionMetadata(data []byte) (id [16]byte, err error) {
	version, topic, ok := strings.Cut(strings.TrimRight(string(data), "\r\n"), "\n")
	if strings.TrimSpace(version) != "version: 0" {
		return id, fmt.Errorf("%s: unknown version %q", partitionMetadataFile, version)
	}
	text, found := strings.CutPrefix(topic, "topic_id:")
	if !ok || !found {
		return id, fmt.Errorf("%s: no topic_id", partitionMetadataFile)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%s: bad topic_id %q", partitionMetadataFile, text)
	}
	return [16]byte(raw), nil
}
