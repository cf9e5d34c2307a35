/** `manifold start`: the hub, until it is told to stop. */
import type { Run } from './call.ts'
import { serve } from './serve.ts'

export const run: Run = (call) => serve(call)
