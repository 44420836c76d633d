package summarize

import (
	"bytes"
	"encoding/xml"
	"path"
	"strings"
)

// relation leads from one part of an office document to another.
type relation struct {
	// kind is the last element of the relation's type, such as "slide".
	kind string
	// target is the name of the other part.
	target string
}

// relations returns the relations of a part by their ids; "" is the document.
func (a *archive) relations(part string) (map[string]relation, error) {
	folder, base := path.Split(part)
	file := folder + "_rels/" + base + ".rels"
	all := make(map[string]relation)
	if !a.has(file) {
		return all, nil
	}
	err := a.walk(file, xmlHandler{start: func(e xml.StartElement) bool {
		if e.Name.Local != "Relationship" || attr(e, "TargetMode") == "External" {
			return true
		}
		target := attr(e, "Target")
		if !strings.HasPrefix(target, "/") {
			target = folder + target
		}
		all[attr(e, "Id")] = relation{kind: path.Base(attr(e, "Type")), target: partName(target)}
		return true
	}})
	return all, err
}

// mainPart returns the name of the part that an office document begins with.
func (a *archive) mainPart(usual string) (string, error) {
	relations, err := a.relations("")
	for _, r := range relations {
		if r.kind == "officeDocument" {
			return r.target, err
		}
	}
	return usual, err
}

// related returns the first part that a part has a relation of this kind to.
func related(relations map[string]relation, kind string) (string, bool) {
	found := ""
	for _, r := range relations {
		if r.kind == kind && (found == "" || r.target < found) {
			found = r.target
		}
	}
	return found, found != ""
}

// relationID returns the r:id of an element, which may have an id of its own.
func relationID(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && strings.HasSuffix(a.Name.Space, "/relationships") {
			return a.Value
		}
	}
	return ""
}

// isFalse reports whether a value of XML is written out as false.
func isFalse(value string) bool {
	return value == "0" || value == "false" || value == "off" || value == "none"
}

// encryptedOffice reports whether an old compound file is the envelope of an
// encrypted office document: it then has a stream of this name.
func encryptedOffice(content []byte) bool {
	return bytes.Contains(content, []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"))
}
