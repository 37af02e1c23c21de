// prefix.go: which beginnings of prompts are cached.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// Match is how much of a prompt is cached.
type Match struct {
	structSize    uint32
	CachedTokens  uint32
	PartialTokens uint32
	CachedBlocks  uint32
	Wait          Ticket
}

// Match asks how much of a prompt is cached. Nothing is acquired.
func (c *Cache) Match(prompt Prompt) (Match, error) {
	match := Match{structSize: uint32(unsafe.Sizeof(Match{}))}
	if err := fits(len(prompt.Tokens)); err != nil {
		return Match{}, err
	}
	cache := c.enter()
	defer c.leave()
	err := check(C.go_prefix_match(cache, (*C.int32_t)(unsafe.SliceData(prompt.Tokens)), C.uint32_t(len(prompt.Tokens)),
		C.uint64_t(prompt.Domain), (*C.akv_match)(unsafe.Pointer(&match))))
	return match, err
}

// Miss says why a prompt hits no further.
type Miss uint32

// The reasons of arenakv/prefix.h.
const (
	MissNone         Miss = C.AKV_MISS_NONE
	MissNeverStored  Miss = C.AKV_MISS_NEVER_STORED
	MissOtherDomain  Miss = C.AKV_MISS_OTHER_DOMAIN
	MissNotCommitted Miss = C.AKV_MISS_NOT_COMMITTED
	MissInFlight     Miss = C.AKV_MISS_IN_FLIGHT
	MissLastToken    Miss = C.AKV_MISS_LAST_TOKEN
)

// Explanation is why a prompt hits as far as it does.
type Explanation struct {
	structSize    uint32
	Reason        Miss
	CachedTokens  uint32
	PartialTokens uint32
	FirstMissed   uint32
	_             uint32
	Wait          Ticket
	Sequence      SequenceID
}

// Explain explains a match, for the operator: it tells that another domain has the same tokens.
func (c *Cache) Explain(prompt Prompt) (Explanation, error) {
	explanation := Explanation{structSize: uint32(unsafe.Sizeof(Explanation{}))}
	if err := fits(len(prompt.Tokens)); err != nil {
		return Explanation{}, err
	}
	cache := c.enter()
	defer c.leave()
	err := check(C.go_prefix_explain(cache, (*C.int32_t)(unsafe.SliceData(prompt.Tokens)),
		C.uint32_t(len(prompt.Tokens)), C.uint64_t(prompt.Domain), (*C.akv_explanation)(unsafe.Pointer(&explanation))))
	return explanation, err
}

// PinID is a pin as a number.
type PinID uint64

// Pin keeps the cached blocks of a prompt from leaving. It ends with Unpin, DropOwner or its cache.
type Pin struct {
	cache *Cache
	ID    PinID
}

// PinByID is the pin with this number, as Holds tells it.
func (c *Cache) PinByID(id PinID) Pin { return Pin{c, id} }

// Pin pins the cached blocks of a prompt, and tells how many tokens that is.
func (c *Cache) Pin(prompt Prompt, owner uint64) (Pin, uint32, error) {
	if err := fits(len(prompt.Tokens)); err != nil {
		return Pin{}, 0, err
	}
	cache := c.enter()
	defer c.leave()
	var pin C.akv_pin
	var tokens C.uint32_t
	err := check(C.go_prefix_pin(cache, (*C.int32_t)(unsafe.SliceData(prompt.Tokens)), C.uint32_t(len(prompt.Tokens)),
		C.uint64_t(prompt.Domain), C.uint64_t(owner), &pin, &tokens))
	return Pin{c, PinID(pin)}, uint32(tokens), err
}

// Unpin releases the pin.
func (p Pin) Unpin() error {
	cache := p.cache.enter()
	defer p.cache.leave()
	return check(C.akv_prefix_unpin(cache, C.akv_pin(p.ID)))
}

// ClearKeepPinned: what pins hold stays findable.
const ClearKeepPinned uint32 = C.AKV_CLEAR_KEEP_PINNED

// Clear makes what is in the index unfindable: for new weights, a changed adapter, a tenant that left. It tells how many
// blocks left the index.
func (c *Cache) Clear(flags uint32) (uint32, error) { return c.clear(nil, flags) }

// ClearDomain is Clear for one domain.
func (c *Cache) ClearDomain(domain uint64, flags uint32) (uint32, error) {
	return c.clear(&domain, flags)
}

func (c *Cache) clear(domain *uint64, flags uint32) (uint32, error) {
	cache := c.enter()
	defer c.leave()
	var blocks C.uint32_t
	err := check(C.akv_prefix_clear(cache, (*C.uint64_t)(domain), C.uint32_t(flags), &blocks))
	return uint32(blocks), err
}
