// Package config reads a configuration file, in YAML or JSON, into a struct, and
// says of each mistake where it is and what would be right.
//
// Fields are named by the tag conf:"name"; what is embedded without a name stands
// among the settings of its surroundings. A mistake does not hide the next: all
// of them are told at once.
package config
