// extent.go: how far into a caller's memory a call reaches. C takes an address and strides there, and no length; a slice has
// one, so what would go beyond it is refused here. It knows the shape of a store, as views tell it.
package arenakv

import "math/bits"

// planeShape is what one plane of a store keeps of each token.
type planeShape struct {
	role         Role
	heads        uint64
	headElements uint64
	headBytes    uint64
	scaleBytes   uint64
}

type storeShape struct {
	blockTokens uint64
	firstLayer  uint32
	layers      uint64
	planes      []planeShape
}

// measure reads the shape of a store that was just made.
func (s *Store) measure(firstLayer uint32, planes []Plane) error {
	info, err := s.Info()
	if err != nil {
		return err
	}
	s.shape = storeShape{blockTokens: uint64(info.BlockTokens), firstLayer: firstLayer, layers: uint64(info.NumLayers)}
	for i, plane := range planes {
		view, err := s.View(firstLayer, uint32(i))
		if err != nil {
			return err
		}
		heads, dimension := uint64(view.Shape[2]), uint64(view.Shape[3])
		if info.Heads == HeadsOuter {
			heads = uint64(view.Shape[1])
		}
		shape := planeShape{role: plane.Role, heads: heads, headElements: dimension,
			headBytes: dimension * view.DType.bytes(), scaleBytes: uint64(plane.ScaleBytes)}
		if plane.DType == DTypeI4 {
			shape.headElements *= 2
		}
		if shard := uint64(info.NumHeads); shard != 0 && plane.KVHeads > 1 {
			shape.scaleBytes = shape.scaleBytes / uint64(plane.KVHeads) * shard
		}
		s.shape.planes = append(s.shape.planes, shape)
	}
	return nil
}

// bytes of an element; pairs of 4 bits count as one.
func (d DType) bytes() uint64 {
	switch d {
	case DTypeF32:
		return 4
	case DTypeF16, DTypeBF16:
		return 2
	default:
		return 1
	}
}

// reach is the end of the last byte, counted from the first; over: it is beyond all memory, or before its start.
type reach struct {
	end  uint64
	over bool
}

// steps adds the way from the first of count things to the last.
func (r *reach) steps(count uint64, stride int64) {
	if count < 2 {
		return
	}
	high, low := bits.Mul64(count-1, uint64(stride))
	r.over = r.over || stride < 0 || high != 0
	r.add(low)
}

func (r *reach) add(bytes uint64) {
	sum, carry := bits.Add64(r.end, bytes, 0)
	r.end, r.over = sum, r.over || carry != 0
}

func (r *reach) within(what string, index int, bytes int) error {
	if r.over {
		return refuse(ErrOutOfRange, "%s %d: its strides lead out of memory", what, index)
	}
	if r.end > uint64(bytes) {
		return &Error{Status: ErrOutOfRange, Row: index, Needed: r.end, Available: uint64(bytes),
			Message: refuse(ErrOutOfRange, "%s %d has %d bytes, the strides lead to %d", what, index, bytes, r.end).(*Error).Message}
	}
	return nil
}

func orElse(given int64, packed uint64) int64 {
	if given != 0 {
		return given
	}
	return int64(packed)
}

// checkTokenData: what the library will say itself (a plane that is not there) is left to it.
func (s *Store) checkTokenData(tokens uint64, planes []TokenData) error {
	if s == nil || tokens == 0 {
		return nil
	}
	for i := range planes {
		data := &planes[i]
		if uint64(data.Plane) >= uint64(len(s.shape.planes)) {
			continue
		}
		plane := &s.shape.planes[data.Plane]
		head, scales := plane.headBytes, plane.scaleBytes
		if data.DType != 0 {
			head, scales = plane.headElements*data.DType.bytes(), 0
		}
		var way reach
		way.steps(tokens, orElse(data.TokenStride, head*plane.heads))
		way.steps(plane.heads, orElse(data.HeadStride, head))
		way.add(head)
		if err := way.within("data of plane", i, len(data.Data)); err != nil && len(data.Data) > 0 {
			return err
		}
		if len(data.Scales) == 0 {
			continue
		}
		way = reach{}
		if data.DType != 0 {
			way.add(4 * plane.heads)
		} else {
			way.steps(tokens, orElse(data.ScaleStride, scales))
			way.add(scales)
		}
		if err := way.within("scales of plane", i, len(data.Scales)); err != nil {
			return err
		}
	}
	return nil
}

// headScales are the scales for each head of all planes of so many layers.
func (s *Store) headScales(layers uint64) uint64 {
	var heads uint64
	for i := range s.shape.planes {
		heads += s.shape.planes[i].heads
	}
	return layers * heads
}

func (s *Store) checkHeadScales(scales []float32) error {
	if s != nil && len(scales) > 0 && uint64(len(scales)) < s.headScales(s.shape.layers) {
		return refuse(ErrOutOfRange, "%d scales of heads, the store has %d heads in all layers and planes", len(scales),
			s.headScales(s.shape.layers))
	}
	return nil
}

func (s *Store) checkSpans(spans []Span) error {
	if s == nil {
		return nil
	}
	for i := range spans {
		layers := uint64(spans[i].NumLayers)
		if layers == 0 || layers > s.shape.layers {
			layers = s.shape.layers
		}
		if given := uint64(len(spans[i].HeadScales)); given > 0 && given < s.headScales(layers) {
			return refuse(ErrOutOfRange, "span %d: %d scales of heads, its layers and planes have %d", i, given, s.headScales(layers))
		}
		if err := fits(len(spans[i].Blocks)); err != nil {
			return err
		}
	}
	return nil
}
