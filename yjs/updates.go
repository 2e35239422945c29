package yjs

import (
	"github.com/starling-rt/starling/yjs/internal/codec"
)

// MergeUpdates joins updates in encoding v1 into one with the same effect, in
// the time of a sort, without a document. Gaps are allowed.
func MergeUpdates(updates [][]byte) ([]byte, error) { return codec.Merge(updates, false, 0) }

// MergeUpdatesV2 is MergeUpdates for encoding v2.
func MergeUpdatesV2(updates [][]byte) ([]byte, error) { return codec.Merge(updates, true, 0) }

// DiffUpdate is the part of an update that a holder of since lacks.
func DiffUpdate(update []byte, since StateVector) ([]byte, error) {
	return codec.Diff(update, codec.StateVector(since), false, 0)
}

// DiffUpdateV2 is DiffUpdate for encoding v2.
func DiffUpdateV2(update []byte, since StateVector) ([]byte, error) {
	return codec.Diff(update, codec.StateVector(since), true, 0)
}

// StateVectorFromUpdate is the encoded state vector of a document that holds
// nothing but the update: what is there without a gap.
func StateVectorFromUpdate(update []byte) ([]byte, error) {
	return codec.StateVectorOf(update, false, 0)
}

// StateVectorFromUpdateV2 is StateVectorFromUpdate for encoding v2.
func StateVectorFromUpdateV2(update []byte) ([]byte, error) {
	return codec.StateVectorOf(update, true, 0)
}

// ConvertV1ToV2 rewrites an update in encoding v2.
func ConvertV1ToV2(update []byte) ([]byte, error) { return codec.Convert(update, false, true, 0) }

// ConvertV2ToV1 rewrites an update in encoding v1.
func ConvertV2ToV1(update []byte) ([]byte, error) { return codec.Convert(update, true, false, 0) }
