/** What every source is read into: one response of somebody else's form, with enough about its questions to make the form. */
import type { Json } from 'manifold/plugin'

export type Fields = { readonly [key: string]: Json }

export type AnswerType =
  | 'text'
  | 'long_text'
  | 'email'
  | 'number'
  | 'boolean'
  | 'date'
  | 'datetime'
  | 'select'
  | 'multi_select'
  | 'file'
  | 'hidden'

export interface Answer {
  /** As a field's key may be. */
  readonly key: string
  /** The sender's own names of the question: `fields` of the settings may use any of them. */
  readonly names: readonly string[]
  readonly label: string
  readonly type: AnswerType
  readonly value: Json
  /** All there are, where the sender says so; else those that were chosen. */
  readonly options?: readonly string[]
  /** For a field that takes text: with what is an answer of its own elsewhere. */
  readonly inWords?: string
  readonly pii?: boolean
}

export interface Arrival {
  /** The sender's id of the response: the same on every retry, and from partial to completed. */
  readonly id: string
  readonly formId: string
  readonly formName: string
  readonly status: 'partial' | 'completed'
  /** RFC 3339, as far as the sender says. */
  readonly startedAt: string | null
  readonly submittedAt: string | null
  readonly answers: readonly Answer[]
}

/** The body is not what this sender sends; the message says where. */
export class Unreadable extends Error {}

/** Something else than a response, such as a test of the connection: taken, and nothing to do. */
export interface Passed {
  readonly passed: string
}

const RESERVED: ReadonlySet<string> = new Set(['constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'])
const KEY_CHARS_MAX = 90

/** A field's key for any text: itself where it can be, else its letters and a hash that tells like ones apart. */
export function keyOf(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, KEY_CHARS_MAX)
  const begun = /^[A-Za-z]/.test(plain) && !RESERVED.has(plain) ? plain : `f_${plain.replace(/^_+/, '')}`
  return plain === text ? begun : `${begun.replace(/_+$/, '')}_${hashOf(text)}`
}

/** FNV-1a, 32 bits: names only have to differ. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}

export const isObject = (value: Json | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Empty where there is no object. */
export const objectAt = (value: Json | undefined): Fields => (isObject(value) ? value : {})

export const listAt = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? (value as Json[]) : [])

/** Texts and numbers as text; null for everything else, and for nothing. */
export function textAt(value: Json | undefined): string | null {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : null
}

/** RFC 3339 with milliseconds, or null: what is no time is not taken for one. */
export function timeAt(value: Json | undefined): string | null {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString()
}

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/
const EMAIL_NAME = /e-?mail/i
const PRIVATE_NAME = /phone|mobile|\btel|name|address|birth/i

/**
 * For senders that do not say what is asked. An address is one of e-mail where the question is called so; what looks
 * personal is private, since nobody has looked at it yet.
 */
export function guessed(name: string, value: Json): Pick<Answer, 'type' | 'pii'> {
  if (typeof value === 'number') return { type: 'number' }
  if (typeof value === 'boolean') return { type: 'boolean' }
  const isAddress = typeof value === 'string' && EMAIL.test(value.trim())
  if (isAddress && EMAIL_NAME.test(name)) return { type: 'email', pii: true }
  const isPrivate = isAddress || EMAIL_NAME.test(name) || PRIVATE_NAME.test(name)
  return isPrivate ? { type: 'long_text', pii: true } : { type: 'long_text' }
}
