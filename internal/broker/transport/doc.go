// Package transport owns the broker's sockets: listeners, connections, frames, the memory that requests may take, and
// the order of responses. It knows the outer frame and the request header, nothing of the messages inside; a Handler
// does the rest.
//
// # Goroutines
//
// Each listener has one accept goroutine. Each connection has two: the reader, which takes frames off the socket and
// notices when the client goes away, and the worker, which runs plain requests and writes every response. They end
// with the connection; connections end with the Server. The buffer pool keeps one timer while it holds idle buffers.
//
// # Strangers
//
// A connection in a TLS handshake, or whose client has yet to authenticate (Conn.Restrict), has a bounded time for it,
// sends small frames out of a memory budget of their own, and takes one of a bounded number of places: a newcomer
// pushes out the oldest of the address that has the most. What such a client may send is the Handler's to say (Gate), before the frame is read.
//
// # Order
//
// Responses leave in the order of their requests. A connection has one request in progress at a time, with one
// exception: a pipelined request (Produce) is begun on the reader, in order of arrival, while earlier pipelined ones
// still wait for their data to be durable. At most Options.MaxPipelined of them are open.
//
// # Limits
//
// Server.SetLimits and SetIPRates bound how many connections there are and how fast they come, also while the server
// runs. Conn.Mute makes one client wait: what it asked is answered, and its next request is not taken before the time
// is over. Its reader waits meanwhile, and no memory is reserved for what the client may have sent.
//
// # Memory
//
// A frame's bytes are reserved from one budget shared by all connections before its buffer is allocated, and given
// back when its request no longer needs the buffer; frames of up to 4 KiB need no reservation. One address may hold
// three quarters of the budget, and those who wait are served by address in turns. A frame larger than an address's share
// takes all of that. A large frame's buffer grows as its bytes come. A reserved frame has to arrive within a time that
// grows with its size; while others wait for memory, at 64 KiB a second. Responses with file ranges are sent from the page cache and hold no copy.
package transport
