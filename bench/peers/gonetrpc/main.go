/*
Go's net/rpc over TCP, with gob: server and client, as measure/peer.h describes them.

	gonetrpc server PORT
	gonetrpc client PORT PID[,PID...] N IN_FLIGHT SECONDS

The client has one connection, and Client.Go for more than one call in flight.
*/
package main

import (
	"fmt"
	"log"
	"math"
	"net"
	"net/rpc"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

/* Arith is the service. */
type Arith struct{}

/* Sum adds up integers of 32 bits. */
func (*Arith) Sum(numbers *[]int32, sum *int64) error {
	*sum = 0
	for _, number := range *numbers {
		*sum += int64(number)
	}
	return nil
}

func check(err error) {
	if err != nil {
		log.Fatalln(err)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func serve(port string) {
	check(rpc.Register(new(Arith)))
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	check(err)
	fmt.Println("listening on port", listener.Addr().(*net.TCPAddr).Port)
	rpc.Accept(listener)
}

func ownCPU() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

/* The user and system time of processes; a tick is 10 ms (proc(5)). */
func cpuOf(pids string) (seconds float64) {
	for _, pid := range strings.Split(pids, ",") {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		check(err)
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		seconds += float64(number(fields[11])+number(fields[12])) / 100
	}
	return
}

type client struct {
	rpc        *rpc.Client
	numbers    []int32
	sum        int64
	inFlight   int
	begin, end time.Time
	latencies  []float64
}

func (c *client) ended(began, now time.Time, sum int64) {
	if sum != c.sum {
		log.Fatalln("a wrong sum came back")
	}
	if !began.Before(c.begin) && began.Before(c.end) {
		c.latencies = append(c.latencies, float64(now.Sub(began).Nanoseconds())/1e3)
	}
}

func (c *client) runOne() {
	for began := time.Now(); began.Before(c.end); began = time.Now() {
		var sum int64
		check(c.rpc.Call("Arith.Sum", &c.numbers, &sum))
		c.ended(began, time.Now(), sum)
	}
}

func (c *client) runWindow() {
	done := make(chan *rpc.Call, c.inFlight)
	began := make(map[*rpc.Call]time.Time)
	for i := 0; i < c.inFlight; i++ {
		began[c.rpc.Go("Arith.Sum", &c.numbers, new(int64), done)] = time.Now()
	}
	for len(began) > 0 {
		call, now := <-done, time.Now()
		check(call.Error)
		c.ended(began[call], now, *call.Reply.(*int64))
		delete(began, call)
		if now.Before(c.end) {
			began[c.rpc.Go("Arith.Sum", &c.numbers, call.Reply, done)] = now
		}
	}
}

func (c *client) percentile(part float64) float64 {
	return c.latencies[int(part*float64(len(c.latencies)-1))]
}

func runClient(port, pids string, n, inFlight int, seconds float64) {
	duration := time.Duration(seconds * 1e9)
	warmUp := time.Duration(math.Min(seconds, 0.5) * 1e9)
	connection, err := rpc.Dial("tcp", "127.0.0.1:"+port)
	check(err)
	c := &client{rpc: connection, numbers: make([]int32, n), inFlight: inFlight,
		begin: time.Now().Add(warmUp)}
	c.end = c.begin.Add(duration)
	for i := range c.numbers {
		c.numbers[i] = int32(uint32(i+1) * 2654435761 >> 8)
		c.sum += int64(c.numbers[i])
	}
	finished := make(chan bool)
	go func() {
		if inFlight == 1 {
			c.runOne()
		} else {
			c.runWindow()
		}
		finished <- true
	}()
	time.Sleep(time.Until(c.begin))
	own, servers := ownCPU(), cpuOf(pids)
	time.Sleep(time.Until(c.end))
	own, servers = ownCPU()-own, cpuOf(pids)-servers
	<-finished
	calls := float64(len(c.latencies))
	if calls == 0 {
		log.Fatalln("no call ended")
	}
	sort.Float64s(c.latencies)
	fmt.Printf("%.1f\t%.2f\t%.2f\t%.3f\t%.3f\n", calls/seconds, c.percentile(0.5),
		c.percentile(0.99), own*1e6/calls, servers*1e6/calls)
}

func main() {
	args := os.Args
	switch {
	case len(args) == 3 && args[1] == "server":
		serve(args[2])
	case len(args) == 7 && args[1] == "client":
		seconds, err := strconv.ParseFloat(args[6], 64)
		check(err)
		runClient(args[2], args[3], number(args[4]), number(args[5]), seconds)
	default:
		log.Fatalln("usage: gonetrpc server PORT | client PORT PIDS N IN_FLIGHT SECONDS")
	}
}
