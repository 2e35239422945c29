export * from './types/keeping.js';
