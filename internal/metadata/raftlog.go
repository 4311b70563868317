package metadata

import (
	"fmt"
	"log/slog"
)

// raftLogger writes raft's own messages to the node's logger. Raft's chatter
// about elections and configurations is only worth a debug line.
type raftLogger struct{ log *slog.Logger }

func (l raftLogger) Debug(v ...any)                   { l.log.Debug("raft", slog.String("text", fmt.Sprint(v...))) }
func (l raftLogger) Debugf(format string, v ...any)   { l.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Info(v ...any)                    { l.Debug(v...) }
func (l raftLogger) Infof(format string, v ...any)    { l.Debugf(format, v...) }
func (l raftLogger) Warning(v ...any)                 { l.log.Warn("raft", slog.String("text", fmt.Sprint(v...))) }
func (l raftLogger) Warningf(format string, v ...any) { l.Warning(fmt.Sprintf(format, v...)) }
func (l raftLogger) Error(v ...any)                   { l.log.Error("raft", slog.String("text", fmt.Sprint(v...))) }
func (l raftLogger) Errorf(format string, v ...any)   { l.Error(fmt.Sprintf(format, v...)) }

// Fatal and Panic are the ends of raft's assertions; the loop's guard turns
// them into an error of the metadata alone.
func (l raftLogger) Fatal(v ...any)                 { l.Panic(v...) }
func (l raftLogger) Fatalf(format string, v ...any) { l.Panicf(format, v...) }
func (l raftLogger) Panic(v ...any)                 { panic("raft: " + fmt.Sprint(v...)) }
func (l raftLogger) Panicf(format string, v ...any) { panic("raft: " + fmt.Sprintf(format, v...)) }
