//go:build !unix

package outfile

// descriptor finds nothing where descriptors have no names.
func descriptor(string) (number int, ok bool) { return -1, false }

func findDescriptor(name, _ string, _ int) (*File, error) {
	return nil, &Unsuitable{name, "is not an open file of this process"}
}
