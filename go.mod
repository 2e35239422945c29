module github.com/starling-rt/starling

go 1.26
