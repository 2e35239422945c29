package store

import (
	"unsafe"

	"github.com/starling-rt/starling/yjs/internal/codec"
)

// None is the index of no item.
const None = int32(-1)

// NoClient is the client of an absent origin.
const NoClient = ^uint32(0)

// MaxClock bounds the clocks that a document keeps: 32 bits.
const MaxClock = 1<<32 - 2

const (
	FlagDeleted = 1 << iota
	FlagKeep    // an undo manager may need the content: do not collect it
	FlagRedone  // store.redone has an entry
	FlagJSON    // the value of an Embed is JSON text, not an any
	FlagMarker  // a search marker is or was here
)

// An Item is one struct of the document: an Item or a GC of Yjs. Items live in a
// slab and refer to one another by index; nothing in them is a pointer, so the
// collector sees a document as a handful of objects.
type Item struct {
	Client      uint32 // index into store.clients
	Clock       uint32
	N           uint32 // length in UTF-16 units or elements
	OriginC     uint32 // client of the origin, or noClient
	OriginK     uint32 // clock of the origin
	RightC      uint32
	RightK      uint32
	Left, Right int32
	Parent      int32  // index into store.types; none for GC
	Key         int32  // index into store.keys, or none for members of a sequence
	A, B        uint32 // content: offset and length in the arena; type index; format index
	Ref         uint8
	Flags       uint8
}

func (it *Item) Deleted() bool { return it.Flags&FlagDeleted != 0 }
func (it *Item) End() uint32   { return it.Clock + it.N }

// Countable tells whether the content takes up indexes of a sequence.
func (it *Item) Countable() bool {
	return it.Ref != codec.Deleted && it.Ref != codec.Format && it.Ref != codec.GC
}

// Visible is the number of indexes that the item takes up.
func (it *Item) Visible() uint32 {
	if it.Deleted() || !it.Countable() {
		return 0
	}
	return it.N
}

// A ytype is a shared type: a sequence, a set of keys, or both.
type ytype struct {
	Item    int32 // the item that holds the type; none for roots
	Start   int32 // first item of the sequence
	Length  uint32
	Name    int32 // key index: name of a root, node name of an XML element
	Entry   int32 // first of its map entries, in the order in which keys appeared
	entryN  int32
	Kind    uint8 // type ref, or KindUnknown
	Formats bool  // has or had Format items
	Indexed bool  // store.positions has an index for its sequence
}

// The kinds of shared type, as the format numbers them.
const (
	KindArray    = 0
	KindMap      = 1
	KindText     = 2
	KindXML      = 3
	KindFragment = 4
	KindHook     = 5
	KindXMLText  = 6
)

// KindDead marks the type of a collected item.
const KindDead = 254

// KindUnknown is the kind of a root that nobody has asked for yet.
const KindUnknown = 255

// A mapEntry is one key of a type: its chain of items, the last being the value.
type mapEntry struct {
	Key         int32
	First, Last int32
	Next        int32
}

// A client is one client's structs.
type client struct {
	ID     uint64
	State  uint32 // the next clock
	Before uint32 // state before the transaction numbered stamp
	Stamp  uint32
	room   room
	index
}

// A room is arena bytes that are kept free behind the content of the item that a
// client types on.
type room struct {
	item int32
	at   uint32 // where it begins: the content of item ends there, or the room is void
	n    uint32
}

// An arena holds the contents of a document's items.
type arena struct {
	Arena []byte
	Wide  bool              // some text has been other than ASCII
	dead  int               // bytes that nothing refers to
	steps map[uint32]*steps // by where the content starts
}

// A Store holds the structs of a document.
type Store struct {
	slab
	Clients   []client
	clientOf  map[uint64]uint32
	lastID    uint64 // look-up cache of clientOf
	lastIndex uint32
	arena
	Types     []ytype
	Keys      []string
	keyOf     map[string]int32
	Entries   []mapEntry
	entryOf   map[uint64]int32
	Roots     []int32
	rootOf    map[int32]int32
	Formats   formatTable
	Redone    map[IDKey]IDKey
	Positions map[int32]*Positions
	Scan      scanner
}

// An idKey is an ID inside a document.
type IDKey struct{ Client, Clock uint32 }

// inList is the number of clients, keys or roots beyond which they are found by
// a map; a small document does without.
const inList = 8

// ClientIndex gives the index of a client, making one when it is new.
func (s *Store) ClientIndex(id uint64) uint32 {
	if c, ok := s.Lookup(id); ok {
		return c
	}
	c := uint32(len(s.Clients))
	s.Clients = append(s.Clients, client{ID: id})
	if len(s.Clients) > inList {
		if s.clientOf == nil {
			s.clientOf = make(map[uint64]uint32)
			for i := range s.Clients {
				s.clientOf[s.Clients[i].ID] = uint32(i)
			}
		}
		s.clientOf[id] = c
	}
	s.lastID, s.lastIndex = id, c
	return c
}

// StateOf is the next clock of a client that may be unknown.
func (s *Store) StateOf(id uint64) uint32 {
	if c, ok := s.Lookup(id); ok {
		return s.Clients[c].State
	}
	return 0
}

func (s *Store) Lookup(id uint64) (uint32, bool) {
	if id == s.lastID && len(s.Clients) > 0 {
		return s.lastIndex, true
	}
	if s.clientOf == nil {
		for i := range s.Clients {
			if s.Clients[i].ID == id {
				s.lastID, s.lastIndex = id, uint32(i)
				return uint32(i), true
			}
		}
		return 0, false
	}
	c, ok := s.clientOf[id]
	if ok {
		s.lastID, s.lastIndex = id, c
	}
	return c, ok
}

// Key interns a name.
func (s *Store) Key(name string) int32 {
	if k, ok := s.FindKey(name); ok {
		return k
	}
	k := int32(len(s.Keys))
	s.Keys = append(s.Keys, name)
	if len(s.Keys) > inList {
		if s.keyOf == nil {
			s.keyOf = make(map[string]int32)
			for i, x := range s.Keys {
				s.keyOf[x] = int32(i)
			}
		}
		s.keyOf[name] = k
	}
	return k
}

// FindKey finds an interned name.
func (s *Store) FindKey(name string) (int32, bool) {
	if s.keyOf != nil {
		k, ok := s.keyOf[name]
		return k, ok
	}
	for i, x := range s.Keys {
		if x == name {
			return int32(i), true
		}
	}
	return None, false
}

// KeyBytes interns a name.
func (s *Store) KeyBytes(name []byte) int32 {
	if k, ok := s.FindKey(view(name)); ok {
		return k
	}
	return s.Key(string(name))
}

// view is a string of the same bytes, for as long as they stay what they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is the bytes of a string, not to be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// entriesInMap is the number of keys of one type beyond which they are found by
// a map and not by walking.
const entriesInMap = 8

func entryKey(t, key int32) uint64 { return uint64(uint32(t))<<32 | uint64(uint32(key)) }

// EntryFor finds the entry of a key, or none.
func (s *Store) EntryFor(t, key int32) int32 {
	ty := &s.Types[t]
	if ty.entryN > entriesInMap {
		if e, ok := s.entryOf[entryKey(t, key)]; ok {
			return e
		}
		return None
	}
	for e := ty.Entry; e != None; e = s.Entries[e].Next {
		if s.Entries[e].Key == key {
			return e
		}
	}
	return None
}

// AddEntry makes an entry after the type's others.
func (s *Store) AddEntry(t, key, first int32) {
	e := int32(len(s.Entries))
	s.Entries = append(s.Entries, mapEntry{Key: key, First: first, Last: first, Next: None})
	ty := &s.Types[t]
	last := None
	if ty.entryN > entriesInMap {
		last = s.entryOf[entryKey(t, -2)]
	} else {
		for x := ty.Entry; x != None; x = s.Entries[x].Next {
			last = x
		}
	}
	if last == None {
		ty.Entry = e
	} else {
		s.Entries[last].Next = e
	}
	ty.entryN++
	if ty.entryN > entriesInMap {
		if s.entryOf == nil {
			s.entryOf = make(map[uint64]int32)
		}
		if ty.entryN == entriesInMap+1 {
			for x := ty.Entry; x != None; x = s.Entries[x].Next {
				s.entryOf[entryKey(t, s.Entries[x].Key)] = x
			}
		}
		s.entryOf[entryKey(t, key)] = e
		s.entryOf[entryKey(t, -2)] = e // the last entry of the type
	}
}

// DropEntries forgets the keys of a collected type.
func (s *Store) DropEntries(t int32) {
	ty := &s.Types[t]
	if ty.entryN > entriesInMap {
		for e := ty.Entry; e != None; e = s.Entries[e].Next {
			delete(s.entryOf, entryKey(t, s.Entries[e].Key))
		}
		delete(s.entryOf, entryKey(t, -2))
	}
	ty.Entry, ty.entryN = None, 0
}

// Value is the item that holds the value of a key, deleted or not, or none.
func (s *Store) Value(t, key int32) int32 {
	if e := s.EntryFor(t, key); e != None {
		return s.Entries[e].Last
	}
	return None
}

// Root finds or makes a root type.
func (s *Store) Root(name int32, kind uint8) int32 {
	t := s.rootNamed(name)
	if t == None {
		t = s.NewType(None, kind, name)
		s.Roots = append(s.Roots, t)
		if n := len(s.Roots); n > inList {
			if s.rootOf == nil {
				s.rootOf = make(map[int32]int32)
				for _, r := range s.Roots {
					s.rootOf[s.Types[r].Name] = r
				}
			}
			s.rootOf[name] = t
		}
	} else if kind != KindUnknown && s.Types[t].Kind == KindUnknown {
		s.Types[t].Kind = kind
	}
	return t
}

func (s *Store) rootNamed(name int32) int32 {
	if s.rootOf != nil {
		if t, ok := s.rootOf[name]; ok {
			return t
		}
		return None
	}
	for _, t := range s.Roots {
		if s.Types[t].Name == name {
			return t
		}
	}
	return None
}

// NewType adds a type.
func (s *Store) NewType(holder int32, kind uint8, name int32) int32 {
	s.Types = append(s.Types, ytype{Item: holder, Start: None, Name: name, Entry: None, Kind: kind})
	return int32(len(s.Types) - 1)
}

func (s *Store) DropRedone(it *Item) {
	if it.Flags&FlagRedone != 0 {
		delete(s.Redone, IDKey{it.Client, it.Clock})
	}
}

// Head is the first item of the list that an item belongs to.
func (s *Store) Head(t, key int32) int32 {
	if key == None {
		return s.Types[t].Start
	}
	if e := s.EntryFor(t, key); e != None {
		return s.Entries[e].First
	}
	return None
}
