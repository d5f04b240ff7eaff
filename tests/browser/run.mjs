/* SPDX-License-Identifier: 0BSD */
// All browser tests, in this order. Started by browser.py.
import { run } from './lib.mjs';
import './texts.mjs';
import './sale.mjs';
import './queue.mjs';
import './seats.mjs';
import './lost.mjs';
import './mine.mjs';
import './operator.mjs';
import './everyone.mjs';

await run();
