// Prints a description, which is written in YAML, as JSON.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

process.stdout.write(JSON.stringify(parse(readFileSync(process.argv[2], 'utf8'), { maxAliasCount: -1 })));
