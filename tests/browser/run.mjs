// All browser tests, in this order. Started by browser.py.
import { run } from './lib.mjs';
import './texts.mjs';
import './sale.mjs';

await run();
