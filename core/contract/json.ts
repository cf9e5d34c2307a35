/** What crosses the sandbox border. */

/** Anything JSON can say. Everything that crosses the sandbox border is JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
