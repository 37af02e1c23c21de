// read_all.go: how a list of unknown length is read: ask for its length, make room, read; again where it has grown.
package arenakv

import "errors"

func readAll[T any](read func(into []T) (int, error)) ([]T, error) {
	var list []T
	for {
		count, err := read(list)
		if err == nil {
			return list[:min(count, len(list))], nil
		}
		if !errors.Is(err, ErrBufferTooSmall) {
			return nil, err
		}
		list = make([]T, max(count, len(list)+1))
	}
}
