package yjs

import "testing"

func TestVectorsMerge(t *testing.T) {
	eachSession(t, func(t *testing.T, v *sessionVector) {
		var v1, v2 [][]byte
		for _, i := range v.Merge.Order {
			v1 = append(v1, v.Updates[i].V1)
			v2 = append(v2, v.Updates[i].V2)
		}
		check := func(what string, want []byte) func([]byte, error) {
			return func(got []byte, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				same(t, what, got, want)
			}
		}
		check("merge v1", v.Merge.V1)(MergeUpdates(v1))
		check("merge v2", v.Merge.V2)(MergeUpdatesV2(v2))
		check("state vector from update", v.Merge.SVFromUpdate)(StateVectorFromUpdate(v.Merge.V1))
		check("state vector from update v2", v.Merge.SVFromUpdate)(StateVectorFromUpdateV2(v.Merge.V2))
		check("v1 to v2", v.Merge.ConvertV1toV2)(ConvertV1ToV2(v.Final.V1))
		check("v2 to v1", v.Merge.ConvertV2toV1)(ConvertV2ToV1(v.Final.V2))
		if c := v.Merge.DiffAgainstCheckpoint; c != nil {
			sv, err := DecodeStateVector(c.SV)
			if err != nil {
				t.Fatal(err)
			}
			check("diff v1", c.V1)(DiffUpdate(v.Final.V1, sv))
			check("diff v2", c.V2)(DiffUpdateV2(v.Final.V2, sv))
			d := New(Options{})
			mustApply(t, d, v.Final.V1, false)
			if v.canonical() {
				check("encode since", c.DocV1)(d.Encode(sv), nil)
			}
		}
		d := New(Options{})
		mustApply(t, d, v.Merge.V1, false)
		if v.canonical() {
			check("merged and applied", v.Final.V1)(d.Encode(nil), nil)
		}
		sameDump(t, d, v.Roots, v.Final.Dump)
	})
}
