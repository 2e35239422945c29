export * from './types/devtools/index.js';
