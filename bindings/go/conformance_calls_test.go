// conformance_calls_test.go: the words of `do` that are one call each.
package arenakv

// sequences of a step whose `on` is a list.
func (s *story) sequences(step *step) []SequenceID {
	var list []SequenceID
	for _, name := range step.names("on") {
		list = append(list, SequenceID(s.id(name)))
	}
	return list
}

// ticket that a key names; 0 where it is not there.
func (s *story) ticket(step *step, key string) Ticket {
	if name := get(step, key, ""); name != "" {
		return Ticket(s.id(name))
	}
	return 0
}

func (s *story) stores(step *step) []*Store {
	var list []*Store
	for _, name := range step.names("stores") {
		list = append(list, thing[*Store](s, name))
	}
	return list
}

func (s *story) stream(step *step) *Stream {
	if name := get(step, "stream", ""); name != "" {
		return thing[*Stream](s, name)
	}
	return nil
}

// made keeps what a successful call made.
func made[T any](s *story, step *step, of T, err error) {
	if name := get(step, "as", ""); err == nil {
		s.make(name, of)
	}
}

var sequenceWords = map[string]word{
	"append": func(s *story, step *step) (results, error) {
		flags := step.flags(map[string]uint32{"committed": AppendCommitted})
		if step.has("unknown") {
			plan, err := s.sequence(step).AppendUnknown(step.number("unknown"), flags)
			return results{plan: plan}, err
		}
		plan, err := s.sequence(step).Append(step.tokens("tokens"), flags)
		return results{plan: plan}, err
	},
	"reserve": func(s *story, step *step) (results, error) {
		plan, err := s.sequence(step).Reserve(step.number("num_tokens"))
		return results{plan: plan}, err
	},
	"can_extend": func(s *story, step *step) (results, error) {
		room, err := s.sequence(step).CanExtend(step.number("num_tokens"))
		return results{of: room}, err
	},
	"commit": func(s *story, step *step) (results, error) {
		return results{}, s.sequence(step).Commit(step.number("length"), s.ticket(step, "ticket"))
	},
	"commit_batch": func(s *story, step *step) (results, error) {
		return results{}, s.cache(step).CommitBatch(s.sequences(step), get(step, "lengths", []uint32(nil)), s.ticket(step, "ticket"))
	},
	"set_tokens": func(s *story, step *step) (results, error) {
		return results{}, s.sequence(step).SetTokens(step.number("first"), step.tokens("tokens"))
	},
	"tokens": func(s *story, step *step) (results, error) {
		tokens := make([]int32, step.number("count"))
		err := s.sequence(step).ReadTokens(step.number("first"), tokens)
		return values(err, "tokens", tokens)
	},
	"truncate": func(s *story, step *step) (results, error) {
		return results{}, s.sequence(step).Truncate(step.number("length"), step.flags(map[string]uint32{"keep_blocks": TruncateKeepBlocks}))
	},
	"set_length": func(s *story, step *step) (results, error) {
		return results{}, s.sequence(step).SetLength(step.number("length"))
	},
	"fork": func(s *story, step *step) (results, error) {
		child, err := s.sequence(step).Fork(get(step, "length", Unset), options(step))
		made(s, step, child, err)
		return results{}, err
	},
	"free": func(s *story, step *step) (results, error) { return results{}, s.sequence(step).Free() },
	"free_batch": func(s *story, step *step) (results, error) {
		freed, stale, err := s.cache(step).FreeBatch(s.sequences(step), nil)
		return values(err, "freed", freed, "stale", stale)
	},
	"info": func(s *story, step *step) (results, error) {
		info, err := s.sequence(step).Info()
		return results{of: info}, err
	},
	"blocks": func(s *story, step *step) (results, error) {
		blocks, err := s.sequence(step).Blocks()
		return values(err, "blocks", blocks)
	},
	"find": func(s *story, step *step) (results, error) {
		found, err := s.cache(step).Find(get(step, "request_id", uint64(0)))
		return values(err, "sequence", found.ID)
	},
	"swap_out": func(s *story, step *step) (results, error) {
		plan, err := s.sequence(step).SwapOut()
		return results{plan: plan}, err
	},
	"swap_in": func(s *story, step *step) (results, error) {
		in, err := s.sequence(step).SwapIn()
		return results{of: in, plan: in.Plan}, err
	},
	"swap_acquire": func(s *story, step *step) (results, error) {
		blocks := make([]int32, step.number("count"))
		err := s.cache(step).AcquireSwap(blocks)
		return values(err, "blocks", blocks)
	},
	"swap_release": func(s *story, step *step) (results, error) {
		return results{}, s.cache(step).ReleaseSwap(get(step, "blocks", []int32(nil)))
	},
}

var prefixWords = map[string]word{
	"match": func(s *story, step *step) (results, error) {
		match, err := s.cache(step).Match(prompt(step))
		return results{of: match}, err
	},
	"explain": func(s *story, step *step) (results, error) {
		explanation, err := s.cache(step).Explain(prompt(step))
		return results{of: explanation}, err
	},
	"pin": func(s *story, step *step) (results, error) {
		pin, tokens, err := s.cache(step).Pin(prompt(step), get(step, "owner", uint64(0)))
		made(s, step, pin, err)
		return values(err, "tokens", tokens)
	},
	"unpin": func(s *story, step *step) (results, error) {
		return results{}, s.cache(step).PinByID(PinID(s.id(get(step, "on", "")))).Unpin()
	},
	"clear": func(s *story, step *step) (results, error) {
		flags := step.flags(map[string]uint32{"keep_pinned": ClearKeepPinned})
		if step.has("domain") {
			blocks, err := s.cache(step).ClearDomain(get(step, "domain", uint64(0)), flags)
			return values(err, "blocks", blocks)
		}
		blocks, err := s.cache(step).Clear(flags)
		return values(err, "blocks", blocks)
	},
	"drop_owner": func(s *story, step *step) (results, error) {
		released, err := s.cache(step).DropOwner(get(step, "owner", uint64(0)), step.flags(map[string]uint32{"in_flight": DropInFlight}))
		return values(err, "released", released)
	},
	"state": func(s *story, step *step) (results, error) {
		state, err := s.cache(step).State()
		return results{of: state}, err
	},
	"audit": func(s *story, step *step) (results, error) { return results{}, s.cache(step).AuditAll() },
}

// plan that `on` names, in the cache that is called.
func (s *story) plan(step *step) Plan { return s.cache(step).Plan(PlanID(s.id(get(step, "on", "")))) }

var holdWords = map[string]word{
	"plan_info": func(s *story, step *step) (results, error) {
		info, err := s.plan(step).Info()
		return results{of: info}, err
	},
	"plan_records": func(s *story, step *step) (results, error) {
		records, err := s.plan(step).Records()
		return values(err, "records", records)
	},
	"finish": func(s *story, step *step) (results, error) {
		return results{}, s.plan(step).Finish(s.ticket(step, "ticket"))
	},
	"abandon": func(s *story, step *step) (results, error) { return results{}, s.plan(step).Abandon() },
	"ticket_open": func(s *story, step *step) (results, error) {
		ticket, err := s.cache(step).OpenTicket()
		made(s, step, ticket, err)
		return results{}, err
	},
	"ticket_retire": func(s *story, step *step) (results, error) {
		return results{}, s.cache(step).RetireTicket(s.ticket(step, "on"))
	},
	"ticket_abandon": func(s *story, step *step) (results, error) {
		sequences, err := s.cache(step).AbandonTicket(s.ticket(step, "on"))
		return values(err, "sequences", sequences)
	},
	"ticket_read": func(s *story, step *step) (results, error) {
		state, err := s.cache(step).ReadTicket(s.ticket(step, "on"))
		return values(err, "state", state)
	},
	"lease_acquire": func(s *story, step *step) (results, error) {
		lease, wait, err := s.sequence(step).AcquireLease(step.number("num_tokens"), get(step, "owner", uint64(0)))
		made(s, step, lease, err)
		return values(err, "wait", wait)
	},
	"lease_blocks": func(s *story, step *step) (results, error) {
		blocks, err := s.cache(step).Lease(LeaseID(s.id(get(step, "on", "")))).Blocks()
		return values(err, "blocks", blocks)
	},
	"lease_release": func(s *story, step *step) (results, error) {
		return results{}, s.cache(step).Lease(LeaseID(s.id(get(step, "on", "")))).Release()
	},
}

var storeWords = map[string]word{
	"store": func(s *story, step *step) (results, error) {
		columns := map[string]Columns{"blocks": StoreBlocks, "swap_blocks": StoreSwapBlocks}[get(step, "columns", "blocks")]
		layout := map[string]Layout{"layer_outer": LayoutLayerOuter, "block_outer": LayoutBlockOuter}[get(step, "layout", "layer_outer")]
		store, err := s.cache(step).OpenStore(&StoreConfig{Columns: columns, Layout: layout})
		made(s, step, store, err)
		return results{}, err
	},
	"zero": func(s *story, step *step) (results, error) {
		return results{}, thing[*Store](s, get(step, "store", "")).CopyZero(get(step, "blocks", []int32(nil)), nil)
	},
	"copy_blocks": func(s *story, step *step) (results, error) {
		return results{}, thing[*Store](s, get(step, "from", "")).CopyBlocks(get(step, "from_blocks", []int32(nil)),
			thing[*Store](s, get(step, "to", "")), get(step, "to_blocks", []int32(nil)),
			step.flags(map[string]uint32{"verify": BlocksVerify}), nil)
	},
	"run": func(s *story, step *step) (results, error) {
		flags := step.flags(map[string]uint32{"ordered": RunOrdered, "verify": RunVerify, "finish": RunFinish})
		return results{}, s.plan(step).CopyRun(s.stores(step), flags, s.stream(step))
	},
	"stats": func(s *story, step *step) (results, error) {
		lines, err := thing[interface{ Stats() ([]CopyStats, error) }](s, get(step, "on", "")).Stats()
		list := map[string]any{}
		for _, line := range lines {
			list[enumeratorOf(line.Kind)] = line
		}
		return results{list: list}, err
	},
	"stream": func(s *story, step *step) (results, error) {
		stream, err := OpenStream(&StreamConfig{NumWorkers: step.number("num_workers")})
		made(s, step, stream, err)
		return results{}, err
	},
	"wait": waitForStream,
	"record_ticket": func(s *story, step *step) (results, error) {
		return results{}, thing[*Stream](s, get(step, "on", "")).RecordTicket(s.cache(step), s.ticket(step, "ticket"))
	},
	"save": func(s *story, step *step) (results, error) {
		stores := s.stores(step)
		bytes, err := s.sequence(step).ImageBytes(0)
		image := make([]byte, bytes)
		if err == nil {
			_, err = s.sequence(step).CopySave(stores, nil, image, nil)
		}
		made(s, step, image, err)
		return results{}, err
	},
	"load": func(s *story, step *step) (results, error) {
		created, err := s.cache(step).CopyLoad(thing[[]byte](s, get(step, "image", "")),
			&LoadOptions{Domain: get(step, "domain", uint64(0))}, s.stores(step), nil)
		made(s, step, created.Sequence, err)
		return results{of: created}, err
	},
	"image_check": func(s *story, step *step) (results, error) {
		info, err := CheckImage(thing[[]byte](s, get(step, "on", "")))
		return results{of: info}, err
	},
	"damage": func(s *story, step *step) (results, error) {
		thing[[]byte](s, get(step, "on", ""))[step.number("byte")] ^= 0x55
		return results{}, nil
	},
}

func (s *story) pool(step *step) *PagePool { return thing[*PagePool](s, get(step, "on", "")) }

var poolWords = map[string]word{
	"pool": func(s *story, step *step) (results, error) {
		config := get(step, "config", struct {
			PageBytes uint64 `json:"page_bytes"`
			NumPages  uint32 `json:"num_pages"`
			MaxPages  uint32 `json:"max_pages"`
			MaxArenas uint32 `json:"max_arenas"`
		}{})
		pool, err := OpenPagePool(&PagePoolConfig{PageBytes: config.PageBytes, NumPages: config.NumPages, MaxPages: config.MaxPages, MaxArenas: config.MaxArenas})
		made(s, step, pool, err)
		return results{}, err
	},
	"pool_state": func(s *story, step *step) (results, error) {
		state, err := s.pool(step).State()
		return results{of: state}, err
	},
	"page_acquire": func(s *story, step *step) (results, error) {
		names := step.names("as")
		pages, contents := make([]PageID, len(names)), make([]Content, len(names))
		err := s.pool(step).AcquirePages(get(step, "owner", uint64(0)), pages, contents)
		for i, name := range names {
			if err == nil {
				s.make(name, pages[i])
			}
		}
		return values(err, "contents", contents)
	},
	"page_release": func(s *story, step *step) (results, error) {
		var pages []PageID
		for _, name := range step.names("pages") {
			pages = append(pages, thing[PageID](s, name))
		}
		return results{}, s.pool(step).ReleasePages(pages)
	},
	"arena_create": func(s *story, step *step) (results, error) {
		arena, err := s.pool(step).CreateArena(get(step, "owner", uint64(0)))
		made(s, step, arena, err)
		return results{}, err
	},
	"arena_drop": func(s *story, step *step) (results, error) {
		return results{}, thing[Arena](s, get(step, "on", "")).Drop()
	},
	"tensor_create": func(s *story, step *step) (results, error) {
		tensor, content, err := thing[Arena](s, get(step, "on", "")).CreateTensor(get(step, "capacity_bytes", uint64(0)))
		made(s, step, tensor, err)
		return values(err, "content", content)
	},
	"tensor_extend": func(s *story, step *step) (results, error) {
		offset, err := thing[Tensor](s, get(step, "on", "")).Extend(get(step, "bytes", uint64(0)))
		return values(err, "offset", offset)
	},
	"tensor_view": func(s *story, step *step) (results, error) {
		view, err := thing[Tensor](s, get(step, "on", "")).View()
		return results{of: view}, err
	},
	"tensor_write": func(s *story, step *step) (results, error) {
		return results{}, thing[Tensor](s, get(step, "on", "")).CopyTo(get(step, "offset", uint64(0)), seeded(step), nil)
	},
	"tensor_read": func(s *story, step *step) (results, error) {
		wanted := seeded(step)
		got := make([]byte, len(wanted))
		err := thing[Tensor](s, get(step, "on", "")).CopyFrom(get(step, "offset", uint64(0)), got, nil)
		if err == nil && string(got) != string(wanted) {
			panic("the tensor holds other bytes")
		}
		return results{}, err
	},
	"pool_drop_owner": func(s *story, step *step) (results, error) {
		dropped, err := s.pool(step).DropOwner(get(step, "owner", uint64(0)))
		return results{of: dropped}, err
	},
	"pool_ticket_open": func(s *story, step *step) (results, error) {
		pool := s.pool(step)
		ticket, err := pool.OpenTicket()
		made(s, step, poolTicket{pool, ticket}, err)
		return results{}, err
	},
	"pool_ticket_retire": func(s *story, step *step) (results, error) {
		of := thing[poolTicket](s, get(step, "on", ""))
		return results{}, of.pool.RetireTicket(of.ticket)
	},
}

func seeded(step *step) []byte {
	data := make([]byte, step.number("bytes"))
	for i := range data {
		data[i] = byte(get(step, "seed", 0)*31 + i)
	}
	return data
}
