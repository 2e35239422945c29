package protocol_test

import (
	"fmt"

	"github.com/starling-rt/starling/protocol"
)

// A command that cannot be obeyed still has the id that its reply needs.
func ExampleParse() {
	c, err := protocol.Parse([]byte(`{"type":"subscribe","channel":"two words","id":7}`))
	fmt.Println(string(protocol.AppendRefusal(nil, c.ID, c.Channel, err)))
	// Output:
	// {"type":"reply","id":7,"error":{"code":4003,"name":"bad_channel","message":"The name of a channel is made of A-Z, a-z, 0-9 and _-.:/@#$+=~! ; the character at 3 is none of them.","retry":false}}
}
