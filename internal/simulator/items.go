package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// inputItems handles GET /responses/{id}/input_items.
func (e *exchange) inputItems(id string) {
	v, ok := e.sim.store.find(e.project, id, time.Now())
	if !ok {
		e.refuse(errResponseNotFound(clip(id, 128)))
		return
	}
	query := e.r.URL.Query()
	limit := 20
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			e.refuse(invalid("limit", "invalid_value", "Invalid 'limit': expected an integer between 1 and 100, but got '%s' instead.", clip(text, 32)))
			return
		}
		limit = n
	}
	order := query.Get("order")
	if order != "" && order != "asc" && order != "desc" {
		e.refuse(errInvalidValue("order", order, []string{"asc", "desc"}))
		return
	}
	items := listItems(&v)
	if order != "asc" {
		slices.Reverse(items)
	}
	if after := query.Get("after"); after != "" {
		at := slices.IndexFunc(items, func(item listedItem) bool { return item.id == after })
		if at < 0 {
			e.refuse(invalid("after", "invalid_value", "Invalid 'after': no item with id '%s'.", clip(after, 128)))
			return
		}
		items = items[at+1:]
	}
	more := len(items) > limit
	e.reply(http.StatusOK, appendItemList(nil, items[:min(limit, len(items))], more))
}

// listedItem is an input item as the API lists it: with an id, and messages with parts.
type listedItem struct {
	id  string
	raw []byte
}

// listItems returns the input items of a response in the order of the request.
func listItems(v *view) []listedItem {
	if v.input == "" {
		return nil
	}
	if v.input[0] == '"' {
		id := "msg_" + v.id[len(responsePrefix):len(v.id)-4] + "0000"
		raw := append(appendQuoted([]byte(`{"id":`), id), `,"type":"message","status":"completed","role":"user","content":[{"type":"input_text","text":`...)
		return []listedItem{{id, append(append(raw, v.input...), "}]}"...)}}
	}
	var elements []json.RawMessage
	if err := json.Unmarshal([]byte(v.input), &elements); err != nil {
		return nil
	}
	items := make([]listedItem, len(elements))
	for i, element := range elements {
		items[i] = listItem(v.id, i, element)
	}
	return items
}

// listItem completes one item of a request.
func listItem(responseID string, index int, raw json.RawMessage) listedItem {
	n := parseNode(raw)
	text := func(name string) string {
		if m := n.member(name); m != nil {
			return m.text
		}
		return ""
	}
	kind, role := text("type"), text("role")
	if kind == "" && role != "" {
		kind = "message"
	}
	id := text("id")
	if id == "" {
		id = itemPrefix(kind) + responseID[len(responsePrefix):len(responseID)-4] + strconv.FormatInt(int64(0x10000+index), 16)[1:]
	}
	dst := appendQuoted([]byte(`{"id":`), id)
	dst = appendQuoted(appendMember(dst, "type"), kind)
	if text("status") == "" && (kind == "message" || kind == "function_call" || kind == "function_call_output") {
		dst = appendQuoted(appendMember(dst, "status"), "completed")
	}
	for _, key := range n.keys {
		switch member := n.members[key]; {
		case key == "id", key == "type":
		case key == "content" && kind == "message" && member.kind == stringNode:
			dst = append(appendMember(dst, key), '[')
			if role == "assistant" {
				dst = appendTextPart(dst, member.text)
			} else {
				dst = append(appendQuoted(append(dst, `{"type":"input_text","text":`...), member.text), '}')
			}
			dst = append(dst, ']')
		default:
			dst = member.appendJSON(appendMember(dst, key))
		}
	}
	return listedItem{id, append(dst, '}')}
}

// itemPrefix is how the ids of items of a type begin.
func itemPrefix(kind string) string {
	switch kind {
	case "message":
		return "msg_"
	case "function_call":
		return "fc_"
	case "function_call_output":
		return "fco_"
	case "reasoning":
		return "rs_"
	}
	return "item_"
}

func appendItemList(dst []byte, items []listedItem, more bool) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, item.raw...)
	}
	var first, last string
	if len(items) > 0 {
		first, last = items[0].id, items[len(items)-1].id
	}
	dst = appendNullable(append(dst, `],"first_id":`...), first)
	dst = appendNullable(append(dst, `,"last_id":`...), last)
	return append(appendBool(append(dst, `,"has_more":`...), more), '}')
}
