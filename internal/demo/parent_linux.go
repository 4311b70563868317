package demo

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the broker if the demo is killed itself.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
