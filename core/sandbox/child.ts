/**
 * Program of a sandbox child (it gets it through stdin, see programs.ts): a process without environment, files, secrets or database, that holds isolates and passes
 * messages. It ends itself when its hub is gone.
 */
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeFrames, FrameReader } from './frames.ts'
import { GuestIsolate } from './isolate.ts'
import { CHANNEL_FD, type FromChild, type ToChild } from './protocol.ts'
import { openWalls } from './walls.ts'

const BEAT_MS = 200
/** Beats of an idle child: this many intervals apart, at most. */
const IDLE_BEATS = 2

/** What isolates say lies outside this heap, where V8 lets hundreds of megabytes of dead text gather before it looks. */
const DEAD_CHARS_MAX = 16_777_216
const collectGarbage = takeCollector()

const channel = new Socket({ fd: CHANNEL_FD, readable: true, writable: true })
/** The hub is trusted, and what it sends is bounded where it comes from. */
const reader = new FrameReader({ headBytesMax: Infinity, textBytesMax: Infinity })
const isolates = new Map<number, GuestIsolate>()
let guestCode = ''
let outbox: FromChild[] = []
let isFlushing = false
let quietBeats = 0
let passedChars = 0

function send(message: FromChild): void {
  outbox.push(message)
  if (message[0] !== 'beat') quietBeats = IDLE_BEATS
  if (message[0] === 'out') passedChars += message[4].length
  if (isFlushing) return
  isFlushing = true
  setImmediate(flush)
}

function flush(): void {
  isFlushing = false
  const messages = outbox
  outbox = []
  channel.write(encodeFrames(messages))
  if (passedChars < DEAD_CHARS_MAX) return
  passedChars = 0
  collectGarbage()
}

/** V8's collector. The flag is on only while no isolate exists that could find it among its globals. */
function takeCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return collect
}

function receive(message: ToChild): void {
  if (message[0] === 'guest') {
    guestCode = message[1]
    return
  }
  const [kind, unit] = message
  if (kind === 'load') {
    const isolate = new GuestIsolate(unit, message[2], send)
    isolates.set(unit, isolate)
    void isolate.load(guestCode)
    return
  }
  const isolate = isolates.get(unit)
  if (isolate === undefined) return
  if (kind === 'step') isolate.accept(message[2], message[3])
  else if (kind === 'cautious') isolate.beCautious()
  else isolate.drop()
}

function beat(): void {
  for (const [unit, isolate] of isolates) if (isolate.isOver) isolates.delete(unit)
  const busy = [...isolates].filter(([, isolate]) => isolate.isBusy).map(([unit]) => unit)
  if (busy.length === 0 && ++quietBeats < IDLE_BEATS) return
  quietBeats = 0
  const heaps = [...isolates].flatMap(([unit, isolate]) => {
    const bytes = isolate.takeHeapBytes()
    return bytes === null ? [] : [[unit, bytes] as const]
  })
  send(['beat', process.memoryUsage.rss(), busy, heaps])
}

/** A clean exit would wait for isolate threads that may never end. */
const end = (): void => void process.kill(process.pid, 'SIGKILL')

channel.on('error', end)
channel.on('close', end)
channel.on('end', end)
channel.on('data', (chunk: Buffer) => {
  for (const message of reader.read(chunk) ?? []) receive(message as ToChild)
  for (const isolate of isolates.values()) isolate.pump()
})
// Ctrl-C in a terminal reaches the whole process group: the hub decides when its children end.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
setInterval(beat, BEAT_MS)
send(['ready', openWalls()])
