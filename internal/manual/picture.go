package manual

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/png"
	"path"

	"github.com/starling-rt/starling/docs"
)

// sizeOf returns how large a picture of the documentation is, in pixels, so that a
// page keeps its place until it comes.
func sizeOf(name string) (width, height int, err error) {
	raw, err := docs.Files.ReadFile(name)
	if err != nil {
		return 0, 0, err
	}
	if path.Ext(name) == ".webp" {
		return sizeOfWebP(raw)
	}
	c, err := png.DecodeConfig(bytes.NewReader(raw))
	return c.Width, c.Height, err
}

// sizeOfWebP reads the first chunk of a WebP file (RFC 9649): that of the extended
// format, a lossless picture, or a lossy one.
func sizeOfWebP(raw []byte) (width, height int, err error) {
	if len(raw) < 30 || string(raw[:4]) != "RIFF" || string(raw[8:12]) != "WEBP" {
		return 0, 0, errors.New("it is no WebP")
	}
	body := raw[20:]
	switch string(raw[12:16]) {
	case "VP8X":
		return 1 + int(body[4]) + int(body[5])<<8 + int(body[6])<<16, 1 + int(body[7]) + int(body[8])<<8 + int(body[9])<<16, nil
	case "VP8L":
		bits := binary.LittleEndian.Uint32(body[1:])
		return 1 + int(bits&0x3fff), 1 + int(bits>>14&0x3fff), nil
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(body[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(body[8:]) & 0x3fff), nil
	}
	return 0, 0, errors.New("it is a WebP of a kind that is not known")
}
