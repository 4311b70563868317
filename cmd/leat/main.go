// Command leat is the whole platform in one program; internal/cli holds its command tree.
package main

import (
	"os"

	"leat.dev/internal/cli"
)

func main() { os.Exit(cli.Main()) }
