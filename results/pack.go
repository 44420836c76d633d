package results

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// packer compresses what is large. A packed value begins with zstd's magic
// number, and any value that begins with it, or like a reference to a blob, is
// packed, so what is stored tells by itself what it is.
type packer struct {
	over    int
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newPacker(over int) (packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return packer{}, fmt.Errorf("make zstd encoder: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	if err != nil {
		return packer{}, fmt.Errorf("make zstd decoder: %w", err)
	}
	return packer{over: over, encoder: encoder, decoder: decoder}, nil
}

// pack returns the value as it is stored.
func (p packer) pack(value []byte) []byte {
	if len(value) <= p.over && !packed(value) && !isReference(value) {
		return value
	}
	return p.encoder.EncodeAll(value, nil)
}

// unpack returns the value as it was given.
func (p packer) unpack(stored []byte) ([]byte, error) {
	if !packed(stored) {
		return stored, nil
	}
	value, err := p.decoder.DecodeAll(stored, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress value: %w", err)
	}
	return value, nil
}

// packed reports whether a value begins with zstd's magic number.
func packed(value []byte) bool {
	return bytes.HasPrefix(value, []byte{0x28, 0xb5, 0x2f, 0xfd})
}
