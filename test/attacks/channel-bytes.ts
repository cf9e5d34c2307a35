/** Bytes as a sandbox child might write them whose process was taken over, by class. */
import { encodeFrames, HEAD_BYTES_MAX } from '../../core/sandbox/frames.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Dice } from './dice.ts'

/** A frame with these two parts, whatever they are. */
export function frameOf(head: string | Buffer, text: string | Buffer = ''): Buffer {
  const parts = [Buffer.from(head), Buffer.from(text)] as const
  return Buffer.concat([sizes(parts[0].length, parts[1].length), ...parts])
}

function sizes(headBytes: number, textBytes: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(headBytes, 0)
  bytes.writeUInt32LE(textBytes, 4)
  return bytes
}

const BEAT = encodeFrames([['beat', 50_000_000, [], []]])
const deep = (levels: number, open: string, close: string): string => `${open.repeat(levels)}1${close.repeat(levels)}`

/** All of these are answered with the end of the process at once. */
export const UNREADABLE: Readonly<Record<string, (roll: Dice) => Buffer>> = {
  'random bytes': (roll) => Buffer.from(Array.from({ length: 64 + roll.below(4_000) }, () => 1 + roll.below(255))),
  'random bytes as a head': (roll) =>
    frameOf(Buffer.from(Array.from({ length: 1 + roll.below(400) }, () => roll.below(256)))),
  'huge lengths': (roll) =>
    sizes(
      roll.pick([0xffff_ffff, 0x8000_0000, HEAD_BYTES_MAX + 1]),
      roll.pick([0, 1, 0xffff_ffff, LIMITS.childMessageBytesMax + 1]),
    ),
  'a huge text': (roll) => sizes(20, roll.pick([0xffff_ffff, 0x7fff_ffff, LIMITS.childMessageBytesMax + 1])),
  'no head': (roll) => sizes(0, roll.below(100)),
  'another kind of value': (roll) =>
    frameOf(
      roll.pick([
        '{}',
        '1',
        '"out"',
        'null',
        'true',
        '[]',
        '[[]]',
        '[null]',
        '[{"length":5}]',
        '{"0":"beat","length":4}',
      ]),
    ),
  'wrong types': (roll) =>
    frameOf(
      roll.pick([
        '["beat","1",[],[]]',
        '["beat",1,{},[]]',
        '["beat",1,[1.5],[]]',
        '["beat",1,[],[[1]]]',
        '["beat",1,[],[1,2]]',
        '["beat",-1,[],[]]',
        '["breach",1,"other",[],1]',
        '["refused",1,"text"]',
        '["refused",1,null]',
        '["stray",1,[],{"name":"E","message":1,"stack":""}]',
        '["ready","x"]',
        '["beat",1,[]]',
        '["beat",1,[],[],[]]',
        '["loaded",1]',
        '["out","1",[],1]',
      ]),
    ),
  'the keys of prototypes': (roll) =>
    frameOf(
      roll.pick([
        '["__proto__",1]',
        '["constructor",1]',
        '["toString"]',
        '{"__proto__":["beat",1,[],[]]}',
        '["refused",1,{"__proto__":{"name":"E","message":"m","stack":"s"}}]',
        '["beat",1,{"__proto__":[],"length":0},[]]',
      ]),
    ),
  'no number': (roll) =>
    frameOf(
      roll.pick([
        '["beat",NaN,[],[]]',
        '["beat",Infinity,[],[]]',
        '["beat",1e999,[],[]]',
        '["beat",1,[1e999],[]]',
        '["beat",1,[],[[1,1e999]]]',
        '["out",1,[],-1]',
      ]),
    ),
  'deep nesting': (roll) =>
    frameOf(
      roll.pick([
        deep(HEAD_BYTES_MAX / 2 - 1, '[', ']'),
        `["beat",1,${deep(60_000, '[', ']')},[]]`,
        `["stray",1,[],${deep(20_000, '{"name":', '}')}]`,
        '['.repeat(HEAD_BYTES_MAX),
      ]),
    ),
  'a text where none is': (roll) => frameOf('["beat",1,[],[]]', 'x'.repeat(1 + roll.below(50))),
  'not in UTF-8': () => frameOf(Buffer.from([0x5b, 0x22, 0xff, 0xfe, 0xc0, 0x22, 0x5d])),
  'a frame cut short, then more': (roll) =>
    Buffer.concat([BEAT.subarray(0, 9 + roll.below(BEAT.length - 10)), BEAT, BEAT, BEAT]),
  'a frame too long for its length': (roll) => Buffer.concat([BEAT, Buffer.from('x'.repeat(8 + roll.below(20))), BEAT]),
}

/** Frames that never end: nothing more comes. */
export const UNENDING: readonly Buffer[] = [
  sizes(4, 0).subarray(0, 3),
  BEAT.subarray(0, BEAT.length - 1),
  sizes(HEAD_BYTES_MAX, LIMITS.childMessageBytesMax),
]
