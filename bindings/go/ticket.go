// ticket.go: when device work has finished with blocks, and leases on blocks for long transfers.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// Ticket stands for work on a device that names blocks; 0 means "nothing to wait for". As a Wait it is a watermark: wait
// until it and all opened before it have ended.
type Ticket uint64

// TicketState says where a ticket stands.
type TicketState uint32

// The states of arenakv/ticket.h.
const (
	TicketOpen      TicketState = C.AKV_TICKET_OPEN
	TicketEnded     TicketState = C.AKV_TICKET_ENDED
	TicketPassed    TicketState = C.AKV_TICKET_PASSED
	TicketAbandoned TicketState = C.AKV_TICKET_ABANDONED
)

// OpenTicket opens a ticket: from now on freed blocks wait for it.
func (c *Cache) OpenTicket() (Ticket, error) {
	cache := c.enter()
	defer c.leave()
	var ticket C.akv_ticket
	err := check(C.akv_ticket_open(cache, &ticket))
	return Ticket(ticket), err
}

// RetireTicket: the work has finished, and well.
func (c *Cache) RetireTicket(ticket Ticket) error {
	cache := c.enter()
	defer c.leave()
	return check(C.akv_ticket_retire(cache, C.akv_ticket(ticket)))
}

// AbandonTicket: the work has failed, and touches no memory any more: you vouch for that. It tells how many sequences lost
// content.
func (c *Cache) AbandonTicket(ticket Ticket) (uint32, error) {
	cache := c.enter()
	defer c.leave()
	var sequences C.uint32_t
	err := check(C.akv_ticket_abandon(cache, C.akv_ticket(ticket), &sequences))
	return uint32(sequences), err
}

// ReadTicket tells where a ticket stands.
func (c *Cache) ReadTicket(ticket Ticket) (TicketState, error) {
	cache := c.enter()
	defer c.leave()
	var state C.uint32_t
	err := check(C.akv_ticket_read(cache, C.akv_ticket(ticket), &state))
	return TicketState(state), err
}

// LeaseID is a lease as a number.
type LeaseID uint64

// Lease keeps blocks from being handed out, whatever happens to their sequence, until it is released.
type Lease struct {
	cache *Cache
	ID    LeaseID
}

// Lease is the lease with this number, as Holds tells it.
func (c *Cache) Lease(id LeaseID) Lease { return Lease{c, id} }

// AcquireLease leases the blocks of the sequence's first tokens; what reads them waits for the ticket first.
func (s Sequence) AcquireLease(numTokens uint32, owner uint64) (Lease, Ticket, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	var lease C.akv_lease
	var wait C.akv_ticket
	err := check(C.akv_lease_acquire(cache, C.akv_sequence(s.ID), C.uint32_t(numTokens), C.uint64_t(owner), &lease, &wait))
	return Lease{s.cache, LeaseID(lease)}, Ticket(wait), err
}

// ReadBlocks fills in the ids of the leased blocks, in order of position, and tells how many there are.
func (l Lease) ReadBlocks(blocks []int32) (int, error) {
	if err := fits(len(blocks)); err != nil {
		return 0, err
	}
	cache := l.cache.enter()
	defer l.cache.leave()
	var count C.uint32_t
	err := check(C.akv_lease_read_blocks(cache, C.akv_lease(l.ID), (*C.int32_t)(unsafe.SliceData(blocks)),
		C.uint32_t(len(blocks)), &count))
	return int(count), err
}

// Blocks are the ids of the leased blocks, in a slice of their own.
func (l Lease) Blocks() ([]int32, error) { return readAll(l.ReadBlocks) }

// Release: the transfer has ended.
func (l Lease) Release() error {
	cache := l.cache.enter()
	defer l.cache.leave()
	return check(C.akv_lease_release(cache, C.akv_lease(l.ID)))
}
