import { constants, createContext, Script } from 'node:vm';

// Compiled templates run in a realm of their own: language built-ins, frozen, and nothing of Node. With code
// generation from texts off here and in the whole process (see child-process.ts), `Function` is of no use either.

const realm = createContext(constants.DONT_CONTEXTIFY, {
  codeGeneration: { strings: false, wasm: false },
});

const FREEZE = `'use strict';
  for (const name of ['console', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry'])
    delete globalThis[name];
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const builtIn = globalThis[name];
    if (typeof builtIn !== 'function' && typeof builtIn !== 'object') continue;
    if (builtIn === globalThis || builtIn === null) continue;
    if (builtIn.prototype) Object.freeze(builtIn.prototype);
    Object.freeze(builtIn);
  }
  // Prototypes that have no name.
  for (const unnamed of [[].values(), ''[Symbol.iterator](), function* () {}, async () => {}, async function* () {}])
    for (let proto = Object.getPrototypeOf(unnamed); proto; proto = Object.getPrototypeOf(proto)) {
      if (proto.prototype) Object.freeze(proto.prototype);
      Object.freeze(proto);
    }
  Object.freeze(globalThis);`;
new Script(FREEZE).runInContext(realm);

/** Runs the body of a function in the realm; returns what it returns. */
export function runInRealm(body: string): unknown {
  const made: unknown = new Script(`(function () { 'use strict'; ${body}\n})`).runInContext(realm);
  return (made as () => unknown)();
}
